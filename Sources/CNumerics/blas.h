#pragma once
// OpenBLAS, loaded when the first product asks for it and not when the program starts: its start makes threads, which a program that multiplies
// nothing does not need, and which hang at exit where the system refuses them (ulimit -v).
#include <stddef.h>

enum { BLAS_ROW_MAJOR = 101, BLAS_PLAIN = 111, BLAS_TRANSPOSED = 112 };  // CBLAS's numbers (BLAS Technical Forum, 2001, annex B)

typedef struct {
    void (*sgemm)(int order, int transA, int transB, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb,
                  float beta, float *c, int ldc);
    void (*dgemm)(int order, int transA, int transB, int m, int n, int k, double alpha, const double *a, int lda, const double *b, int ldb,
                  double beta, double *c, int ldc);
    void (*set_threads)(int count);
    int (*threads)(void);
    char *(*core)(void);
    char *(*config)(void);
} cn_blas;

// OpenBLAS, or plain loops where it is not installed. Never NULL; safe from any thread.
const cn_blas *cn_blas_library(void);
