// cuBLASLt's products by OpenBLAS: operands become float32, the result is rounded to its own format once.
#include "cublasLt.h"

#include <cblas-openblas.h>

#include <vector>

#include "cuda_bf16.h"
#include "cuda_fp16.h"
#include "cuda_fp8.h"

struct EmulatedHandle {};
struct EmulatedPreference {};
struct EmulatedProduct {
    cublasOperation_t a = CUBLAS_OP_N, b = CUBLAS_OP_N;
    const float *aScale = nullptr, *bScale = nullptr;
};
struct EmulatedMatrix {
    cudaDataType_t type;
    int64_t rows, columns, lead, count, stride;
};

namespace {

size_t bytesOf(cudaDataType_t type) { return type == CUDA_R_32F ? 4 : type == CUDA_R_8F_E4M3 ? 1 : 2; }

float read(cudaDataType_t type, const void *from, size_t index) {
    switch (type) {
    case CUDA_R_32F: return static_cast<const float *>(from)[index];
    case CUDA_R_16F: return float(static_cast<const __half *>(from)[index]);
    case CUDA_R_16BF: return float(static_cast<const __nv_bfloat16 *>(from)[index]);
    default: return float(static_cast<const __nv_fp8_e4m3 *>(from)[index]);
    }
}

void write(cudaDataType_t type, void *to, size_t index, float x) {
    switch (type) {
    case CUDA_R_32F: static_cast<float *>(to)[index] = x; break;
    case CUDA_R_16F: static_cast<__half *>(to)[index] = __half(x); break;
    case CUDA_R_16BF: static_cast<__nv_bfloat16 *>(to)[index] = __nv_bfloat16(x); break;
    default: static_cast<__nv_fp8_e4m3 *>(to)[index] = __nv_fp8_e4m3(x);
    }
}

/// One matrix of a batch, column by column.
std::vector<float> widened(const EmulatedMatrix &m, const void *from, int64_t number, float scale) {
    std::vector<float> all(m.rows * m.columns);
    for (int64_t column = 0; column < m.columns; column++)
        for (int64_t row = 0; row < m.rows; row++)
            all[column * m.rows + row] = scale * read(m.type, from, number * m.stride + column * m.lead + row);
    return all;
}

} // namespace

const char *cublasLtGetStatusString(cublasStatus_t status) { return status == CUBLAS_STATUS_NOT_SUPPORTED ? "not supported" : "emulated cuBLASLt failed"; }
size_t cublasLtGetVersion() { return 0; }
cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle) { return *handle = new EmulatedHandle, CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) { return delete handle, CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *product, cublasComputeType_t, cudaDataType_t) {
    return *product = new EmulatedProduct, CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t product) { return delete product, CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t product, cublasLtMatmulDescAttributes_t which, const void *value, size_t bytes) {
    switch (which) {
    case CUBLASLT_MATMUL_DESC_TRANSA: memcpy(&product->a, value, bytes); break;
    case CUBLASLT_MATMUL_DESC_TRANSB: memcpy(&product->b, value, bytes); break;
    case CUBLASLT_MATMUL_DESC_A_SCALE_POINTER: memcpy(&product->aScale, value, bytes); break;
    case CUBLASLT_MATMUL_DESC_B_SCALE_POINTER: memcpy(&product->bScale, value, bytes); break;
    case CUBLASLT_MATMUL_DESC_FAST_ACCUM: break;
    }
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout, cudaDataType_t type, uint64_t rows, uint64_t columns, int64_t lead) {
    return *layout = new EmulatedMatrix{type, int64_t(rows), int64_t(columns), lead, 1, 0}, CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) { return delete layout, CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t which, const void *value, size_t) {
    if (which == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT) {
        int32_t count;
        memcpy(&count, value, sizeof count);
        layout->count = count;
    } else {
        memcpy(&layout->stride, value, sizeof layout->stride);
    }
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference) { return *preference = new EmulatedPreference, CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) { return delete preference, CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t, cublasLtMatmulPreferenceAttributes_t, const void *, size_t) {
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(
    cublasLtHandle_t, cublasLtMatmulDesc_t product, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
    cublasLtMatrixLayout_t, cublasLtMatmulPreference_t, int, cublasLtMatmulHeuristicResult_t *result, int *found) {
    // FP8 products exist only as transposed by not transposed.
    if (a->type == CUDA_R_8F_E4M3 && (product->a != CUBLAS_OP_T || product->b != CUBLAS_OP_N)) return CUBLAS_STATUS_NOT_SUPPORTED;
    result->algo.number = 0;
    *found = 1;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmul(
    cublasLtHandle_t, cublasLtMatmulDesc_t product, const void *alpha, const void *a, cublasLtMatrixLayout_t aLayout, const void *b,
    cublasLtMatrixLayout_t bLayout, const void *beta, const void *c, cublasLtMatrixLayout_t cLayout, void *d, cublasLtMatrixLayout_t dLayout,
    const cublasLtMatmulAlgo_t *, void *, size_t, cudaStream_t) {
    bool aTurned = product->a == CUBLAS_OP_T, bTurned = product->b == CUBLAS_OP_T;
    int64_t inner = aTurned ? aLayout->rows : aLayout->columns;
    int64_t rows = aTurned ? aLayout->columns : aLayout->rows, columns = bTurned ? bLayout->rows : bLayout->columns;
    if (inner != (bTurned ? bLayout->columns : bLayout->rows) || rows != dLayout->rows || columns != dLayout->columns)
        return CUBLAS_STATUS_INVALID_VALUE;
    for (int64_t number = 0; number < dLayout->count; number++) {
        auto first = widened(*aLayout, a, number, product->aScale ? *product->aScale : 1);
        auto second = widened(*bLayout, b, number, product->bScale ? *product->bScale : 1);
        auto result = widened(*cLayout, c, number, 1);
        cblas_sgemm(CblasColMajor, aTurned ? CblasTrans : CblasNoTrans, bTurned ? CblasTrans : CblasNoTrans, int(rows), int(columns), int(inner),
                    *static_cast<const float *>(alpha), first.data(), int(aLayout->rows), second.data(), int(bLayout->rows),
                    *static_cast<const float *>(beta), result.data(), int(rows));
        for (int64_t column = 0; column < columns; column++)
            for (int64_t row = 0; row < rows; row++)
                write(dLayout->type, d, number * dLayout->stride + column * dLayout->lead + row, result[column * rows + row]);
    }
    return CUBLAS_STATUS_SUCCESS;
}
