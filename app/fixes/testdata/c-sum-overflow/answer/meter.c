#include "meter.h"

int meter_average(const int *values, size_t n)
{
	long long sum = 0;

	if (n == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		sum += values[i];
	return (int)(sum / (long long)n);
}

int meter_middle(int low, int high)
{
	return (int)(((long long)low + high) / 2);
}
