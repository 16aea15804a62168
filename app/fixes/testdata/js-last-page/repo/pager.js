'use strict';

const { paginate } = require('./paginate');

// pager is the line below a list: "‹ 1 2 [3] ›".
function pager(items, page, size) {
  const p = paginate(items, page, size);
  const parts = [];
  if (p.hasPrevious) parts.push('‹');
  for (let n = 1; n <= p.pages; n++) parts.push(n === p.page ? `[${n}]` : String(n));
  if (p.hasNext) parts.push('›');
  return parts.join(' ');
}

module.exports = { pager };
