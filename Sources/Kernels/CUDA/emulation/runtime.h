// What the parts of the emulation share.
#pragma once
#include "cuda_runtime.h"

namespace emulated {
bool isCapturing(cudaStream_t);
void note(cudaStream_t, std::function<void()>);
void setLastError(cudaError_t);
/// The latest device memory that was asked for, for checks that look at operands.
void *latestMemory();
} // namespace emulated
