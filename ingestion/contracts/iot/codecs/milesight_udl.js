// Milesight ultrasonic level sensors (EM400-UDL, EM500-UDL): channel byte, type byte, little-endian value.
// Distance from the sensor down to the surface in millimetres, battery in per cent, degrees Celsius.

function decodeUplink(input) {
  const bytes = input.bytes;
  const data = {};
  const warnings = [];
  let at = 0;

  const take = (size) => {
    if (at + size > bytes.length) throw new RangeError("the value at byte " + at + " is cut off");
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + bytes[at + i];
    at += size;
    return value;
  };
  const signed = (value) => (value < 0x8000 ? value : value - 0x10000);

  while (at < bytes.length) {
    const channel = take(1);
    const type = take(1);
    if (type === 0x75) data.battery_level = take(1);
    else if (type === 0x67) data.temperature = signed(take(2)) / 10;
    else if (type === 0x82) data.distance = take(2);
    else if (type === 0x00) data.tilted = take(1) === 1;
    else if (channel === 0xff) {
      warnings.push("device information left out");
      break;
    } else return {errors: ["unknown channel " + channel + ", type 0x" + type.toString(16)]};
  }
  // what the sensor sends when no echo came back
  if (data.distance === 0 || data.distance === 0xffff) {
    delete data.distance;
    warnings.push("no echo");
  }
  return {data, warnings};
}
