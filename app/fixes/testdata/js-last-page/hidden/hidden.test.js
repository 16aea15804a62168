'use strict';

const test = require('node:test');
const assert = require('node:assert');
const { paginate } = require('./paginate');
const { pager } = require('./pager');

const list = (n) => Array.from({ length: n }, (_, i) => i);

test('as many pages as are needed', () => {
  for (const [n, size, pages] of [[0, 10, 1], [1, 10, 1], [9, 10, 1], [10, 10, 1], [11, 10, 2], [20, 10, 2], [21, 10, 3], [30, 10, 3], [3, 1, 3]]) {
    assert.strictEqual(paginate(list(n), 1, size).pages, pages, `${n} items by ${size}`);
  }
});

test('no next page after the last item', () => {
  assert.strictEqual(paginate(list(20), 2, 10).hasNext, false);
  assert.strictEqual(paginate(list(20), 1, 10).hasNext, true);
  assert.strictEqual(pager(list(20), 2, 10), '‹ 1 [2]');
});

test('every item is on one page', () => {
  for (const n of [1, 10, 19, 20, 21, 100]) {
    const seen = [];
    for (let page = 1; page <= paginate(list(n), 1, 10).pages; page++) seen.push(...paginate(list(n), page, 10).items);
    assert.deepStrictEqual(seen, list(n));
  }
});
