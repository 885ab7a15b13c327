#include "blas.h"
#include "cnumerics.h"
#include <dlfcn.h>
#include <pthread.h>

// Row-major C[m][n] = alpha op(A) op(B) + beta C by plain loops: slow, and right where no OpenBLAS is installed.
#define PLAIN(NAME, REAL)                                                                                                       \
    static void NAME(int order, int transA, int transB, int m, int n, int k, REAL alpha, const REAL *a, int lda, const REAL *b, \
                     int ldb, REAL beta, REAL *c, int ldc) {                                                                    \
        (void)order;                                                                                                            \
        for (int i = 0; i < m; i++) {                                                                                           \
            REAL *row = c + (size_t)i * ldc;                                                                                    \
            for (int j = 0; j < n; j++) row[j] = beta == 0 ? 0 : beta * row[j];                                                 \
            for (int p = 0; p < k; p++) {                                                                                       \
                REAL x = alpha * (transA == BLAS_PLAIN ? a[(size_t)i * lda + p] : a[(size_t)p * lda + i]);                      \
                for (int j = 0; j < n; j++) row[j] += x * (transB == BLAS_PLAIN ? b[(size_t)p * ldb + j] : b[(size_t)j * ldb + p]); \
            }                                                                                                                   \
        }                                                                                                                       \
    }
PLAIN(plain_sgemm, float)
PLAIN(plain_dgemm, double)
static void plain_set_threads(int count) { (void)count; }
static int plain_threads(void) { return 1; }
static char *plain_core(void) { return "none"; }
static char *plain_config(void) { return "plain loops"; }

static cn_blas library = {plain_sgemm, plain_dgemm, plain_set_threads, plain_threads, plain_core, plain_config};
static pthread_once_t loaded = PTHREAD_ONCE_INIT;

static void load(void) {
    void *handle = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!handle) return;
    cn_blas found;
    // POSIX's way from an object pointer to a function pointer.
    *(void **)&found.sgemm = dlsym(handle, "cblas_sgemm");
    *(void **)&found.dgemm = dlsym(handle, "cblas_dgemm");
    *(void **)&found.set_threads = dlsym(handle, "openblas_set_num_threads");
    *(void **)&found.threads = dlsym(handle, "openblas_get_num_threads");
    *(void **)&found.core = dlsym(handle, "openblas_get_corename");
    *(void **)&found.config = dlsym(handle, "openblas_get_config");
    if (found.sgemm && found.dgemm && found.set_threads && found.threads && found.core && found.config) library = found;
}

const cn_blas *cn_blas_library(void) {
    pthread_once(&loaded, load);
    return &library;
}

// Row-major C[m][n] = alpha op(A) op(B) + beta C, with op(A) [m][k] and op(B) [k][n].
#define GEMM(NAME, CALL, REAL)                                                                                                  \
    void NAME(int transA, int transB, const int mnk[3], REAL alpha, const REAL *a, const REAL *b, REAL beta, REAL *c) {         \
        int m = mnk[0], n = mnk[1], k = mnk[2];                                                                                 \
        if (m <= 0 || n <= 0) return;                                                                                           \
        cn_blas_library()->CALL(BLAS_ROW_MAJOR, transA ? BLAS_TRANSPOSED : BLAS_PLAIN, transB ? BLAS_TRANSPOSED : BLAS_PLAIN,   \
                                m, n, k, alpha, a, (transA ? m : k) > 0 ? (transA ? m : k) : 1, b,                              \
                                (transB ? k : n) > 0 ? (transB ? k : n) : 1, beta, c, n);                                       \
    }
GEMM(cn_gemm_f32, sgemm, float)
GEMM(cn_gemm_f64, dgemm, double)

void cn_blas_threads(int count) { cn_blas_library()->set_threads(count); }
