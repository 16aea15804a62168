'use strict';

const test = require('node:test');
const assert = require('node:assert');
const { paginate } = require('./paginate');
const { pager } = require('./pager');

const list = (n) => Array.from({ length: n }, (_, i) => i);

test('pages in the middle', () => {
  const p = paginate(list(25), 2, 10);
  assert.deepStrictEqual(p.items, [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  assert.strictEqual(p.pages, 3);
});

test('an empty list has one page', () => {
  assert.strictEqual(pager([], 1, 10), '[1]');
});
