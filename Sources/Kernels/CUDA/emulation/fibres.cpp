// Threads of a block as fibres. A fibre runs until it waits for the block or for its warp; then the next one has its turn, in an order that can be
// shuffled, so that what depends on the order of threads shows.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "cuda_runtime.h"
#include "runtime.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

#if defined(__x86_64__)
// Saves the registers that a call must keep, and goes on where the other stack was left.
asm(R"(
.text
.globl emulated_switch
.type emulated_switch, @function
emulated_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emulated_switch, .-emulated_switch
)");
extern "C" void emulated_switch(void **saved, void *next);
#else
#error "the emulation switches stacks on x86-64 only"
#endif

namespace emulated {
namespace {

enum class State { ready, atBlock, atWarp, done };

struct Fibre {
    static constexpr size_t stackBytes = size_t(256) << 10;
    std::unique_ptr<char[]> stack{new char[stackBytes]};
    void *place = nullptr;
    void *fake = nullptr; // the sanitizer's
    State state = State::done;
    uint3 index{};
    unsigned exchanges = 0;
};

/// What the lanes of a warp gave last and the time before: nobody can be two exchanges ahead.
struct Warp {
    uint32_t bits[2][32];
    unsigned number[2][32];
};

std::vector<Fibre> fibres;
std::vector<Warp> warps;
std::vector<unsigned> order;
std::mt19937 shuffler;
unsigned orderSeed = 0;
unsigned current = 0;
void *scheduler = nullptr;
const std::function<void()> *body = nullptr;
const char *kernelName = "";
std::unique_ptr<char[]> sharedMemory;
#if defined(__SANITIZE_ADDRESS__)
const void *schedulerStack = nullptr;
size_t schedulerBytes = 0;
#endif

void fail(const std::string &reason) {
    fprintf(stderr, "emulated CUDA: kernel %s, block (%u, %u, %u): %s\n", kernelName, blockIdx.x, blockIdx.y, blockIdx.z, reason.c_str());
    abort();
}

void toScheduler(State state) {
    Fibre &own = fibres[current];
    own.state = state;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&own.fake, schedulerStack, schedulerBytes);
#endif
    emulated_switch(&own.place, scheduler);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(own.fake, &schedulerStack, &schedulerBytes);
#endif
}

/// A fibre never ends: it runs one thread after the other.
void work() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &schedulerStack, &schedulerBytes);
#endif
    while (true) {
        (*body)();
        toScheduler(State::done);
    }
}

void toFibre(unsigned number) {
    Fibre &fibre = fibres[number];
    current = number;
    threadIdx = fibre.index;
#if defined(__SANITIZE_ADDRESS__)
    void *fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, fibre.stack.get(), Fibre::stackBytes);
#endif
    emulated_switch(&scheduler, fibre.place);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

void prepare(unsigned threads) {
    // A fibre that waits holds on to its place: the list must not move.
    fibres.reserve(1024);
    size_t before = fibres.size();
    if (before < threads) fibres.resize(threads);
    for (size_t i = before; i < fibres.size(); i++) {
        // As if `work` had been called: seven words, the last of them where it begins, and a stack aligned as at a function's entry.
        auto top = reinterpret_cast<uintptr_t>(fibres[i].stack.get() + Fibre::stackBytes) & ~uintptr_t(15);
        auto words = reinterpret_cast<uintptr_t *>(top - 8) - 7;
        for (int word = 0; word < 6; word++) words[word] = 0;
        words[6] = reinterpret_cast<uintptr_t>(&work);
        fibres[i].place = words;
    }
    if (warps.size() < (threads + 31) / 32) warps.resize((threads + 31) / 32);
}

/// Lets those go on that all wait together. False when nobody can.
bool release(unsigned threads) {
    bool allAtBlock = true;
    for (unsigned i = 0; i < threads; i++) allAtBlock = allAtBlock && (fibres[i].state == State::atBlock || fibres[i].state == State::done);
    if (allAtBlock) {
        for (unsigned i = 0; i < threads; i++)
            if (fibres[i].state == State::atBlock) fibres[i].state = State::ready;
        return true;
    }
    bool some = false;
    for (unsigned first = 0; first < threads; first += 32) {
        bool allAtWarp = true, anyAtWarp = false;
        for (unsigned i = first; i < std::min(threads, first + 32); i++) {
            allAtWarp = allAtWarp && (fibres[i].state == State::atWarp || fibres[i].state == State::done);
            anyAtWarp = anyAtWarp || fibres[i].state == State::atWarp;
        }
        if (!allAtWarp || !anyAtWarp) continue;
        some = true;
        for (unsigned i = first; i < std::min(threads, first + 32); i++)
            if (fibres[i].state == State::atWarp) fibres[i].state = State::ready;
    }
    return some;
}

void runBlock(unsigned threads) {
    for (unsigned i = 0; i < threads; i++) {
        fibres[i].state = State::ready;
        fibres[i].exchanges = 0;
        fibres[i].index = uint3{i % blockDim.x, i / blockDim.x % blockDim.y, i / (blockDim.x * blockDim.y)};
    }
    memset(warps.data(), 0, warps.size() * sizeof(Warp));
    while (true) {
        if (orderSeed != 0) std::shuffle(order.begin(), order.end(), shuffler);
        for (unsigned number : order)
            if (fibres[number].state == State::ready) toFibre(number);
        bool isOver = true;
        for (unsigned i = 0; i < threads; i++) isOver = isOver && fibres[i].state == State::done;
        if (isOver) return;
        if (!release(threads)) fail("some threads wait for the block where others of their warp wait for the warp");
    }
}

} // namespace

void setOrder(unsigned seed) {
    orderSeed = seed;
    shuffler.seed(seed);
}

void *dynamicShared() { return sharedMemory.get(); }
unsigned lane() { return current % 32; }
void waitForBlock() { toScheduler(State::atBlock); }

uint32_t exchange(uint32_t bits, unsigned fromLane) {
    Warp &warp = warps[current / 32];
    unsigned number = ++fibres[current].exchanges, half = number % 2;
    warp.bits[half][lane()] = bits;
    warp.number[half][lane()] = number;
    toScheduler(State::atWarp);
    // What a lane that takes no part gives is undefined: not a number shows it.
    return warp.number[half][fromLane] == number ? warp.bits[half][fromLane] : 0x7fc00000u;
}

void launch(const char *kernel, const Shape &shape, const std::function<void()> &work) {
    if (isCapturing(shape.stream)) return note(shape.stream, [=] { launch(kernel, Shape(shape.grid, shape.block, shape.sharedBytes), work); });
    unsigned threads = shape.block.x * shape.block.y * shape.block.z;
    if (threads == 0 || threads > 1024 || shape.grid.x == 0 || shape.grid.y == 0 || shape.grid.y > 65535 || shape.grid.z == 0 || shape.grid.z > 65535)
        return setLastError(cudaErrorInvalidConfiguration);
    prepare(threads);
    order.resize(threads);
    std::iota(order.begin(), order.end(), 0u);
    kernelName = kernel;
    body = &work;
    blockDim = shape.block;
    gridDim = shape.grid;
    for (blockIdx.z = 0; blockIdx.z < gridDim.z; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < gridDim.y; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++) {
                if (shape.sharedBytes > 0) {
                    sharedMemory.reset(new char[shape.sharedBytes]);
                    memset(sharedMemory.get(), 0xff, shape.sharedBytes); // not a number, for who reads before he writes
                }
                runBlock(threads);
            }
}

} // namespace emulated
