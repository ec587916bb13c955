// The function of CloudFront that refuses clients outside of allowed_cidrs. Terraform fills in the ranges: pairs of an
// address and the length of its prefix.
var RANGES = ${ranges};

// Returns an IPv4 address as a number, or -1 for anything else, which is in no range.
function toNumber(address) {
  var parts = address.split('.');
  if (parts.length !== 4) {
    return -1;
  }
  return parts.reduce(function (number, part) {
    return number * 256 + Number(part);
  }, 0);
}

function isAllowed(address) {
  var client = toNumber(address);
  return RANGES.some(function (range) {
    var size = Math.pow(2, 32 - Number(range[1]));
    return Math.floor(client / size) === Math.floor(toNumber(range[0]) / size);
  });
}

function handler(event) {
  if (isAllowed(event.viewer.ip)) {
    return event.request;
  }
  return { statusCode: 403, statusDescription: 'Forbidden' };
}
