// Matrix products through cuBLASLt, row-major: out[m][n] = a[m][k] b[k][n] is cuBLAS's column-major out^T (n x m) = b^T a^T, so its first
// operand is b and its second a.
#include <cublasLt.h>

#include "task.h"

namespace orrery {

namespace {

void check(cublasStatus_t status, const char *what) {
    if (status == CUBLAS_STATUS_SUCCESS) return;
    int32_t code = status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_ARCH_MISMATCH ? ORRERY_CUDA_UNSUPPORTED : ORRERY_CUDA_FAILED;
    throw Fault(code, std::string(what) + ": " + cublasLtGetStatusString(status));
}

cudaDataType_t typeOf(int32_t dtype) {
    switch (dtype) {
    case ORRERY_CUDA_FP32:
    case ORRERY_CUDA_TF32: return CUDA_R_32F;
    case ORRERY_CUDA_FP16: return CUDA_R_16F;
    case ORRERY_CUDA_BF16: return CUDA_R_16BF;
    case ORRERY_CUDA_E4M3: return CUDA_R_8F_E4M3;
    default: throw Fault(ORRERY_CUDA_UNSUPPORTED, "products are in fp32, tf32, fp16, bf16 and fp8");
    }
}

constexpr size_t workspaceBytes = size_t(64) << 20;

struct Product {
    cublasLtHandle_t handle = nullptr;
    cublasLtMatmulDesc_t operation = nullptr;
    cublasLtMatrixLayout_t first = nullptr, second = nullptr, result = nullptr;
    cublasLtMatmulPreference_t preference = nullptr;
    cublasLtMatmulHeuristicResult_t choice = {};
    Memory workspace{workspaceBytes};
    Memory scales;
    std::unique_ptr<Operands> operands;
    float alpha = 1, beta = 0;

    ~Product() {
        if (preference) cublasLtMatmulPreferenceDestroy(preference);
        for (auto layout : {first, second, result})
            if (layout) cublasLtMatrixLayoutDestroy(layout);
        if (operation) cublasLtMatmulDescDestroy(operation);
        if (handle) cublasLtDestroy(handle);
    }

    template <class T> void set(cublasLtMatmulDescAttributes_t attribute, T value) {
        check(cublasLtMatmulDescSetAttribute(operation, attribute, &value, sizeof value), "cublasLtMatmulDescSetAttribute");
    }
};

cublasLtMatrixLayout_t layoutOf(cudaDataType_t type, int64_t rows, int64_t columns, int64_t count) {
    cublasLtMatrixLayout_t layout = nullptr;
    check(cublasLtMatrixLayoutCreate(&layout, type, rows, columns, rows), "cublasLtMatrixLayoutCreate");
    if (count > 1) {
        int32_t batch = int32_t(count);
        int64_t stride = rows * columns;
        check(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof batch), "batch count");
        check(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride), "batch offset");
    }
    return layout;
}

} // namespace

std::string gemmLibrary() {
    size_t version = cublasLtGetVersion();
    // 12.4.5 is 120405, 13.5.0 is 130500.
    return "cuBLAS " + std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." + std::to_string(version % 100);
}

Task makeGEMM(const orrery_cuda_call &call, const Device &device) {
    need(call, 4);
    int64_t m = call.sizes[0], n = call.sizes[1], k = call.sizes[2], count = call.sizes[3];
    bool adds = call.mode == 1;
    bool isFloat8 = call.dtype == ORRERY_CUDA_E4M3;
    bool firstT = call.layout == ORRERY_CUDA_TN || call.layout == ORRERY_CUDA_TT;
    bool secondT = call.layout == ORRERY_CUDA_NT || call.layout == ORRERY_CUDA_TT;
    if (adds && call.out != ORRERY_CUDA_FP32) throw Fault(ORRERY_CUDA_UNSUPPORTED, "results are added up in fp32");
    auto product = std::make_shared<Product>();
    check(cublasLtCreate(&product->handle), "cublasLtCreate");
    auto compute = call.dtype == ORRERY_CUDA_TF32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    check(cublasLtMatmulDescCreate(&product->operation, compute, CUDA_R_32F), "cublasLtMatmulDescCreate");
    product->set(CUBLASLT_MATMUL_DESC_TRANSA, firstT ? CUBLAS_OP_T : CUBLAS_OP_N);
    product->set(CUBLASLT_MATMUL_DESC_TRANSB, secondT ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (isFloat8) {
        product->scales = Memory(2 * sizeof(float));
        float ones[2] = {1, 1};
        orrery::check(cudaMemcpy(product->scales.as<float>(), ones, sizeof ones, cudaMemcpyHostToDevice), "scales");
        const void *scale = product->scales.as<float>();
        product->set(CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, scale);
        product->set(CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, static_cast<const void *>(product->scales.as<float>() + 1));
        product->set(CUBLASLT_MATMUL_DESC_FAST_ACCUM, int8_t(call.mode == 2 ? 1 : 0));
    }
    auto type = typeOf(call.dtype), out = typeOf(call.out);
    product->first = firstT ? layoutOf(type, k, n, count) : layoutOf(type, n, k, count);
    product->second = secondT ? layoutOf(type, m, k, count) : layoutOf(type, k, m, count);
    product->result = layoutOf(out, n, m, count);
    check(cublasLtMatmulPreferenceCreate(&product->preference), "cublasLtMatmulPreferenceCreate");
    size_t limit = workspaceBytes;
    check(cublasLtMatmulPreferenceSetAttribute(product->preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &limit, sizeof limit), "workspace");
    // The library's own first choice, as frameworks take it.
    int found = 0;
    check(cublasLtMatmulAlgoGetHeuristic(product->handle, product->operation, product->first, product->second, product->result, product->result,
                                         product->preference, 1, &product->choice, &found),
          "cublasLtMatmulAlgoGetHeuristic");
    if (found == 0) throw Fault(ORRERY_CUDA_UNSUPPORTED, "cuBLASLt has no kernel for this product");
    product->beta = adds ? 1 : 0;
    size_t a = bytesOf(call.dtype);
    product->operands = std::make_unique<Operands>(
        std::vector<size_t>{size_t(n * k * count) * a, size_t(m * k * count) * a, size_t(m * n * count) * bytesOf(call.out)}, device.cache);
    product->operands->fill(0, call.dtype, size_t(n * k * count));
    product->operands->fill(1, call.dtype, size_t(m * k * count));
    product->operands->fill(2, call.out, size_t(m * n * count));
    Task task;
    task.owner = product;
    task.sets = product->operands->sets();
    Product *p = product.get();
    task.run = [p](int set, cudaStream_t stream) {
        check(cublasLtMatmul(p->handle, p->operation, &p->alpha, p->operands->at<void>(set, 0), p->first, p->operands->at<void>(set, 1), p->second,
                             &p->beta, p->operands->at<void>(set, 2), p->result, p->operands->at<void>(set, 2), p->result, &p->choice.algo,
                             p->workspace.as<void>(), workspaceBytes, stream),
              "cublasLtMatmul");
    };
    return task;
}

} // namespace orrery
