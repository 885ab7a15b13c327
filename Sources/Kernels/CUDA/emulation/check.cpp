// Every kernel of the plug-in against a plain computation in double precision, at many shapes and orders of threads. Built for the CPU by
// `make cuda-emulated`, with the address sanitizer; the gaps between operands are poisoned, so that a step beyond one is seen.
#include "check.h"

namespace check {
namespace {

/// What the plug-in cannot do it refuses with a code.
void checkRefusals() {
    auto refuses = [](const char *what, auto make) {
        now = what;
        try {
            make();
            expect(false, "was not refused");
        } catch (const Fault &) {
            expect(true, "refused");
        }
    };
    refuses("no elements", [] { makeElements(callOf(ORRERY_CUDA_ADAMW, 0, {0}), device); });
    refuses("no rows", [] { makeRows(callOf(ORRERY_CUDA_SOFTMAX, 0, {0, 4}), device); });
    refuses("no columns", [] { makeQuantise(callOf(ORRERY_CUDA_QUANTISE, 0, {4, 0}, 0, ORRERY_CUDA_INT8), device); });
    refuses("no depth", [] { makeGEMM(callOf(ORRERY_CUDA_GEMM, 0, {4, 4, 0, 1}), device); });
    refuses("no keys", [] { makeAttention(callOf(ORRERY_CUDA_ATTENTION, 0, {1, 1, 1, 1, 0, 8, 0}), device); });
    refuses("fewer keys than queries", [] { makeAttention(callOf(ORRERY_CUDA_ATTENTION, 0, {1, 1, 1, 4, 2, 8, 1}), device); });
    refuses("more kept than there are", [] { makeTopK(callOf(ORRERY_CUDA_TOP_K, 0, {4, 5}), device); });
    refuses("heads that do not divide", [] { makeAttention(callOf(ORRERY_CUDA_ATTENTION, 0, {1, 3, 2, 4, 4, 8, 0}), device); });
}

/// The C functions that the program calls, from the device's name to a timing.
void checkInterface() {
    now = "interface";
    int32_t count = 0;
    expect(orrery_cuda_abi() == ORRERY_CUDA_ABI && orrery_cuda_device_count(&count) == 0 && count == 1, "a device");
    orrery_cuda_device found = {};
    found.size = sizeof found;
    expect(orrery_cuda_device_query(0, &found) == 0 && string(found.name).find("emulated") == 0, "its name says that it is emulated");
    for (int mode = 0; mode < 5; mode++) {
        auto call = callOf(ORRERY_CUDA_COPY, 0, {1000}, mode);
        orrery_cuda_rule rule = {sizeof rule, 0.001, 0, 0.1, 2, 4};
        orrery_cuda_timing timing = {};
        timing.size = sizeof timing;
        expect(orrery_cuda_time(0, &call, &rule, &timing) == 0 && timing.median > 0, orrery_cuda_error());
    }
    for (int mode = 0; mode < 2; mode++) {
        auto call = callOf(ORRERY_CUDA_LAUNCH, 0, {10}, mode);
        orrery_cuda_rule rule = {sizeof rule, 0.001, 0, 0.1, 2, 4};
        orrery_cuda_timing timing = {};
        timing.size = sizeof timing;
        expect(orrery_cuda_time(0, &call, &rule, &timing) == 0, orrery_cuda_error());
    }
}

void checkAll() {
    for (int dtype : formats) {
        rows(dtype);
        elements(dtype);
        products(dtype);
    }
    checkRefusals();
    checkInterface();
}

} // namespace
} // namespace check

int main(int count, char **arguments) {
    int orders = count > 1 ? atoi(arguments[1]) : 3;
    for (int order = 0; order < orders; order++) {
        emulated::setOrder(unsigned(order));
        check::checkAll();
    }
    printf("%d comparisons of emulated kernels in %d orders of threads, %d failed\n", check::checks, orders, check::failures);
    return check::failures == 0 ? 0 : 1;
}
