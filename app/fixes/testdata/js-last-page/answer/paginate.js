'use strict';

// paginate returns one page of a list, the first of which is 1, with what a pager shows.
function paginate(items, page, size) {
  const pages = Math.max(1, Math.ceil(items.length / size));
  const start = (page - 1) * size;
  return {
    items: items.slice(start, start + size),
    page,
    pages,
    hasNext: page < pages,
    hasPrevious: page > 1,
  };
}

module.exports = { paginate };
