#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "meter.h"

static int failed;

static void check(const char *what, int got, int want)
{
	if (got != want) {
		fprintf(stderr, "%s: %d, want %d\n", what, got, want);
		failed = 1;
	}
}

int main(void)
{
	const int two[] = {1500000000, 1500000001};
	const int low[] = {INT_MIN, INT_MIN, INT_MIN};
	const int mixed[] = {INT_MAX, INT_MIN, INT_MAX, INT_MIN};
	const int small[] = {-3, -4};
	size_t n = 100000;
	int *many = malloc(n * sizeof *many);

	if (!many)
		return 2;
	for (size_t i = 0; i < n; i++)
		many[i] = INT_MAX;
	check("two big readings", meter_average(two, 2), 1500000000);
	check("many of the biggest", meter_average(many, n), INT_MAX);
	check("the lowest", meter_average(low, 3), INT_MIN);
	check("mixed", meter_average(mixed, 4), 0);
	check("below zero, cut towards zero", meter_average(small, 2), -3);
	check("none", meter_average(small, 0), 0);
	check("the middle of big ones", meter_middle(INT_MAX - 2, INT_MAX), INT_MAX - 1);
	check("the middle of all", meter_middle(-10, 20), 5);
	check("the middle of low ones", meter_middle(INT_MIN, INT_MIN + 2), INT_MIN + 1);
	check("the middle of the whole scale", meter_middle(INT_MIN + 1, INT_MAX), 0);
	free(many);
	return failed;
}
