#include "cnumerics.h"
#include "multiversion.h"

#define REAL float
#define SUFFIX f32
#define ROOT __builtin_sqrtf
#include "optimizer_kernels.h"
#undef REAL
#undef SUFFIX
#undef ROOT
#define REAL double
#define SUFFIX f64
#define ROOT __builtin_sqrt
#include "optimizer_kernels.h"
