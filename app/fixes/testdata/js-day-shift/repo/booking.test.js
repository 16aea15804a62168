'use strict';

process.env.TZ = 'UTC'; // the same result on every machine

const test = require('node:test');
const assert = require('node:assert');
const { describe } = require('./booking');

test('a booking in one line', () => {
  assert.strictEqual(describe({ arrival: '2024-03-01', departure: '2024-03-04' }), '1 March 2024 to 4 March 2024, 3 nights');
  assert.strictEqual(describe({ arrival: '2023-12-31', departure: '2024-01-01' }), '31 December 2023 to 1 January 2024, 1 night');
});
