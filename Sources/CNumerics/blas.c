// OpenBLAS's header stays in this file: its CBLAS enumerations collide with other libraries'.
#include "cnumerics.h"
#include <cblas-openblas.h>

// Row-major C[m][n] = alpha op(A) op(B) + beta C, with op(A) [m][k] and op(B) [k][n].
#define GEMM(NAME, CALL, REAL)                                                                                                  \
    void NAME(int transA, int transB, const int mnk[3], REAL alpha, const REAL *a, const REAL *b, REAL beta, REAL *c) {         \
        int m = mnk[0], n = mnk[1], k = mnk[2];                                                                                 \
        if (m <= 0 || n <= 0) return;                                                                                           \
        CALL(CblasRowMajor, transA ? CblasTrans : CblasNoTrans, transB ? CblasTrans : CblasNoTrans, m, n, k, alpha, a,          \
             (transA ? m : k) > 0 ? (transA ? m : k) : 1, b, (transB ? k : n) > 0 ? (transB ? k : n) : 1, beta, c, n);          \
    }
GEMM(cn_gemm_f32, cblas_sgemm, float)
GEMM(cn_gemm_f64, cblas_dgemm, double)

void cn_blas_threads(int count) { openblas_set_num_threads(count); }
