#include <assert.h>
#include <stdio.h>

#include "meter.h"

int main(void)
{
	const int few[] = {10, 20, 60};

	assert(meter_average(few, 3) == 30);
	assert(meter_average(few, 0) == 0);
	assert(meter_middle(10, 20) == 15);
	puts("ok");
	return 0;
}
