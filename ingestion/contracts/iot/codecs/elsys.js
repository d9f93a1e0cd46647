// Elsys sensors (ERS, ERS CO2, EMS, ELT): a chain of type byte and big-endian value, in any order.
// Values in the units of the platform: degrees Celsius, per cent, parts per million, volts, millimetres.

function unsigned(bytes, at, size) {
  var value = 0;
  for (var i = 0; i < size; i++) value = value * 256 + bytes[at + i];
  return value;
}

function signed(bytes, at, size) {
  var value = unsigned(bytes, at, size);
  var half = Math.pow(2, 8 * size - 1);
  return value < half ? value : value - 2 * half;
}

// type: [bytes of the value, what it adds to the data]
var TYPES = {
  0x01: [2, function (data, bytes, at) { data.temperature = signed(bytes, at, 2) / 10; }],
  0x02: [1, function (data, bytes, at) { data.humidity = bytes[at]; }],
  0x03: [3, function (data, bytes, at) {
    data.acceleration_x = signed(bytes, at, 1);
    data.acceleration_y = signed(bytes, at + 1, 1);
    data.acceleration_z = signed(bytes, at + 2, 1);
  }],
  0x04: [2, function (data, bytes, at) { data.light = unsigned(bytes, at, 2); }],
  0x05: [1, function (data, bytes, at) { data.motion = bytes[at]; }],
  0x06: [2, function (data, bytes, at) { data.co2 = unsigned(bytes, at, 2); }],
  0x07: [2, function (data, bytes, at) { data.battery = unsigned(bytes, at, 2) / 1000; }],
  0x0b: [4, function (data, bytes, at) { data.pulse_count = unsigned(bytes, at, 4); }],
  0x0c: [2, function (data, bytes, at) { data.external_temperature = signed(bytes, at, 2) / 10; }],
  0x0d: [1, function (data, bytes, at) { data.contact = bytes[at]; }],
  0x0e: [2, function (data, bytes, at) { data.distance = unsigned(bytes, at, 2); }],
  0x0f: [1, function (data, bytes, at) { data.acceleration_events = bytes[at]; }],
  0x12: [1, function (data, bytes, at) { data.water_leak = bytes[at]; }],
  0x3d: [4, function () { /* debug, of no use to anybody but the maker */ }],
};
var SETTINGS = 0x3e; // the device repeats its settings: they run to the end

function decodeUplink(input) {
  var bytes = input.bytes;
  var data = {};
  var at = 0;
  if (!bytes.length) return {errors: ["empty payload"]};
  while (at < bytes.length && bytes[at] !== SETTINGS) {
    var type = TYPES[bytes[at]];
    // its length is unknown, so nothing after it can be read either
    if (!type) return {errors: ["unknown type 0x" + bytes[at].toString(16) + " at byte " + at]};
    if (at + type[0] >= bytes.length) return {errors: ["the value at byte " + at + " is cut off"]};
    type[1](data, bytes, at + 1);
    at += 1 + type[0];
  }
  return {data: data};
}
