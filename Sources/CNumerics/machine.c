#define _GNU_SOURCE
#include "blas.h"
#include "cnkernels.h"
#ifdef __linux__
#include <malloc.h>
#include <sched.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

const char *cn_blas_core(void) { return cn_blas_library()->core(); }
const char *cn_blas_config(void) { return cn_blas_library()->config(); }
int cn_blas_thread_count(void) { return cn_blas_library()->threads(); }

int cn_vector_level(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return 4;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") ? 3 : 1;
#else
    return 0;
#endif
}

int cn_pin_thread(int core) {
#ifdef __linux__
    if (core < 0 || core >= CPU_SETSIZE) return -1;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)core, &set);
    return sched_setaffinity(0, sizeof set, &set);
#else
    return -1;
#endif
}

int cn_usable_cores(void) {
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    return 1;
}

void cn_keep_memory(void) {
#if defined(__linux__) && defined(M_MMAP_MAX) && defined(M_TRIM_THRESHOLD)
    (void)mallopt(M_MMAP_MAX, 0);
    (void)mallopt(M_TRIM_THRESHOLD, -1);
#endif
}

unsigned cn_flush_subnormals(void) {
#if defined(__x86_64__)
    unsigned state = _mm_getcsr();
    _mm_setcsr(state | 0x8040);  // flush to zero, and subnormal operands are zero
    return state;
#else
    return 0;
#endif
}

void cn_set_rounding(unsigned state) {
#if defined(__x86_64__)
    _mm_setcsr(state);
#else
    (void)state;
#endif
}
