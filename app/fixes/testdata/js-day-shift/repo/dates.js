'use strict';

const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];

// longDate writes a day, which the API sends as "2024-03-01", as "1 March 2024".
function longDate(day) {
  const date = new Date(day);
  return `${date.getDate()} ${MONTHS[date.getMonth()]} ${date.getFullYear()}`;
}

// daysBetween is how many days lie between two days of the API: 1 from one day to the next.
function daysBetween(from, to) {
  return Math.round((new Date(to) - new Date(from)) / 86400000);
}

module.exports = { longDate, daysBetween };
