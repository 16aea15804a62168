'use strict';

const test = require('node:test');
const assert = require('node:assert');
const { describe } = require('./booking');
const { daysBetween } = require('./dates');

for (const zone of ['UTC', 'America/Chicago', 'Pacific/Pago_Pago', 'Pacific/Kiritimati', 'Asia/Kolkata', 'America/Sao_Paulo', 'Europe/Berlin']) {
  test(`days are days in ${zone}`, () => {
    process.env.TZ = zone;
    assert.strictEqual(describe({ arrival: '2024-03-01', departure: '2024-03-04' }), '1 March 2024 to 4 March 2024, 3 nights');
    assert.strictEqual(describe({ arrival: '2023-12-31', departure: '2024-01-01' }), '31 December 2023 to 1 January 2024, 1 night');
    assert.strictEqual(daysBetween('2024-03-09', '2024-03-11'), 2); // clocks change in Chicago
    assert.strictEqual(daysBetween('2024-10-26', '2024-10-28'), 2); // and in Berlin
  });
}
