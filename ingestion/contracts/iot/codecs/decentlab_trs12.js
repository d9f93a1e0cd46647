// Decentlab DL-TRS12 soil probe: protocol version, device number, a flag per group of values, then 16-bit words.
// Water content of the soil in per cent of volume, degrees Celsius, conductivity in microsiemens per centimetre.

const VERSION = 2;
const round = (value, decimals) => Math.round(value * 10 ** decimals) / 10 ** decimals;
const GROUPS = [
  {
    words: 3,
    read: ([water, temperature, conductivity]) => ({
      // calibration of the probe in mineral soil
      soil_moisture: round(((water / 10) * 0.0003879 - 0.6956) * 100, 2),
      soil_temperature: round((temperature - 32768) / 10, 1),
      soil_conductivity: conductivity,
    }),
  },
  {words: 1, read: ([battery]) => ({battery: battery / 1000})},
];

function decodeUplink({bytes}) {
  const word = (at) => bytes[at] * 256 + bytes[at + 1];
  if (bytes[0] !== VERSION) return {errors: ["protocol version " + bytes[0] + ", " + VERSION + " expected"]};
  const flags = word(3);
  const groups = GROUPS.filter((_, bit) => flags & (1 << bit));
  const length = 5 + 2 * groups.reduce((sum, group) => sum + group.words, 0);
  if (bytes.length !== length) return {errors: [bytes.length + " bytes, " + length + " expected"]};
  const data = {};
  let at = 5;
  for (const group of groups) {
    const words = Array.from({length: group.words}, (_, i) => word(at + 2 * i));
    Object.assign(data, group.read(words));
    at += 2 * group.words;
  }
  return {data};
}
