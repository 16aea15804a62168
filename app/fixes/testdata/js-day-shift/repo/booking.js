'use strict';

const { longDate, daysBetween } = require('./dates');

// describe is a booking in one line.
function describe(booking) {
  const nights = daysBetween(booking.arrival, booking.departure);
  return `${longDate(booking.arrival)} to ${longDate(booking.departure)}, ${nights} ${nights === 1 ? 'night' : 'nights'}`;
}

module.exports = { describe };
