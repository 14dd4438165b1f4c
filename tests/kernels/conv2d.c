#include "check.h"
void test_conv2d(void){}
void bench_conv2d(void){}
