#ifndef METER_H
#define METER_H

#include <stddef.h>

/* meter_average is the average of n readings, 0 if there are none. */
int meter_average(const int *values, size_t n);

/* meter_middle is the middle between two readings, of which low is the lower. */
int meter_middle(int low, int high);

#endif
