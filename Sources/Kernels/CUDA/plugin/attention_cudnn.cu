// Fused attention of cuDNN through its graph front end, where the headers are there when the plug-in is compiled (cudnn_frontend.h, MIT, and cuDNN).
#include "task.h"

#if defined(ORRERY_WITH_CUDNN) && __has_include(<cudnn_frontend.h>)
#include <cudnn_frontend.h>

#include <unordered_map>

namespace orrery {
namespace {

namespace fe = cudnn_frontend;

void check(fe::error_t status, const char *what) {
    if (status.is_good()) return;
    int32_t code = status.get_code() == fe::error_code_t::GRAPH_NOT_SUPPORTED ? ORRERY_CUDA_UNSUPPORTED : ORRERY_CUDA_FAILED;
    throw Fault(code, std::string(what) + ": " + status.get_message());
}

struct Fused {
    cudnnHandle_t handle = nullptr;
    fe::graph::Graph graph;
    std::unique_ptr<Operands> operands;
    Memory workspace;
    ~Fused() {
        if (handle) cudnnDestroy(handle);
    }
};

/// Identities of tensors in the graph; their order is that of the operands.
enum Tensor : int64_t { queries = 1, keys, values, output, sums, gradient, queryGradient, keyGradient, valueGradient };

} // namespace

Task makeCudnnAttention(const orrery_cuda_call &call, const Device &device) {
    const int64_t *z = call.sizes;
    if (call.dtype != ORRERY_CUDA_FP16 && call.dtype != ORRERY_CUDA_BF16) throw Fault(ORRERY_CUDA_UNSUPPORTED, "cuDNN's attention is in fp16 and bf16");
    bool isBackward = call.kind == ORRERY_CUDA_ATTENTION_BACKWARD;
    auto f = std::make_shared<Fused>();
    if (cudnnCreate(&f->handle) != CUDNN_STATUS_SUCCESS) throw Fault(ORRERY_CUDA_FAILED, "cudnnCreate");
    auto type = call.dtype == ORRERY_CUDA_FP16 ? fe::DataType_t::HALF : fe::DataType_t::BFLOAT16;
    f->graph.set_io_data_type(type).set_intermediate_data_type(fe::DataType_t::FLOAT).set_compute_data_type(fe::DataType_t::FLOAT);
    int64_t batch = z[0], heads = z[1], kvHeads = z[2], length = z[3], keyLength = z[4], dim = z[5];
    auto tensor = [&](const char *name, Tensor id, int64_t h, int64_t s, int64_t d) {
        return f->graph.tensor(
            fe::graph::Tensor_attributes().set_name(name).set_uid(id).set_dim({batch, h, s, d}).set_stride({h * s * d, s * d, d, 1}));
    };
    auto q = tensor("q", queries, heads, length, dim), k = tensor("k", keys, kvHeads, keyLength, dim), v = tensor("v", values, kvHeads, keyLength, dim);
    float scale = 1 / sqrtf(float(dim));
    std::vector<int64_t> wideDim{batch, heads, length, dim}, wideStride{heads * length * dim, length * dim, dim, 1};
    std::vector<int64_t> thinDim{batch, kvHeads, keyLength, dim}, thinStride{kvHeads * keyLength * dim, keyLength * dim, dim, 1};
    std::vector<int64_t> sumDim{batch, heads, length, 1}, sumStride{heads * length, length, 1, 1};
    if (!isBackward) {
        auto options = fe::graph::SDPA_attributes().set_name("sdpa").set_attn_scale(scale).set_generate_stats(true);
        if (z[6] == 1) options.set_causal_mask(true);
        auto [o, stats] = f->graph.sdpa(q, k, v, options);
        o->set_output(true).set_uid(output).set_dim(wideDim).set_stride(wideStride);
        stats->set_output(true).set_uid(sums).set_data_type(fe::DataType_t::FLOAT);
    } else {
        auto o = tensor("o", output, heads, length, dim), d = tensor("do", gradient, heads, length, dim);
        auto stats = f->graph.tensor(
            fe::graph::Tensor_attributes().set_name("stats").set_uid(sums).set_dim(sumDim).set_stride(sumStride).set_data_type(fe::DataType_t::FLOAT));
        auto options = fe::graph::SDPA_backward_attributes().set_name("sdpa backward").set_attn_scale(scale);
        if (z[6] == 1) options.set_causal_mask(true);
        auto [dQ, dK, dV] = f->graph.sdpa_backward(q, k, v, o, d, stats, options);
        dQ->set_output(true).set_uid(queryGradient).set_dim(wideDim).set_stride(wideStride);
        dK->set_output(true).set_uid(keyGradient).set_dim(thinDim).set_stride(thinStride);
        dV->set_output(true).set_uid(valueGradient).set_dim(thinDim).set_stride(thinStride);
    }
    check(f->graph.validate(), "validate");
    check(f->graph.build_operation_graph(f->handle), "build_operation_graph");
    check(f->graph.create_execution_plans({fe::HeurMode_t::A}), "create_execution_plans");
    check(f->graph.check_support(f->handle), "check_support");
    check(f->graph.build_plans(f->handle), "build_plans");
    int64_t space = 0;
    check(f->graph.get_workspace_size(space), "get_workspace_size");
    f->workspace = Memory(size_t(std::max<int64_t>(space, 1)));
    size_t wide = size_t(batch * heads * length * dim), thin = size_t(batch * kvHeads * keyLength * dim), sum = size_t(batch * heads * length) * 4;
    std::vector<size_t> bytes{2 * wide, 2 * thin, 2 * thin, 2 * wide, sum};
    if (isBackward)
        for (size_t more : {2 * wide, 2 * wide, 2 * thin, 2 * thin}) bytes.push_back(more);
    f->operands = std::make_unique<Operands>(bytes, device.cache);
    f->operands->fill(0, call.dtype, wide);
    for (int operand : {1, 2}) f->operands->fill(operand, call.dtype, thin);
    // The backward pass takes the same time whatever its output and sums hold.
    if (isBackward)
        for (int operand : {3, 5}) f->operands->fill(operand, call.dtype, wide);
    int count = int(bytes.size());
    return Task{f, f->operands->sets(), [f, count](int set, cudaStream_t stream) {
                    cudnnSetStream(f->handle, stream);
                    std::unordered_map<int64_t, void *> pack;
                    for (int operand = 0; operand < count; operand++) pack[operand + 1] = f->operands->at<void>(set, operand);
                    check(f->graph.execute(f->handle, pack, f->workspace.as<void>()), "execute");
                }};
}

} // namespace orrery

#else

namespace orrery {
Task makeCudnnAttention(const orrery_cuda_call &, const Device &) {
    throw Fault(ORRERY_CUDA_UNSUPPORTED, "the plug-in was compiled without cuDNN's headers");
}
} // namespace orrery

#endif
