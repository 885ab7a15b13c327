import Cluster
import Testing
import Workload

@testable import Calibration

private func timings(_ device: String, stack: String = "megatron-lm", precision: Precision = .bf16) throws -> KernelTimings {
    let accelerator = try Catalogue.accelerator(named: device)
    let stacks = try StackTable.shared.get()
    let behaviour = stacks.behaviour(of: SoftwareStack(framework: stack), on: accelerator, isMoE: false, precision: precision)
    let (cluster, _) = try ClusterSpec.measured(hardware: device, gpus: 8, gpusPerNode: 8, interNode: "none")
    let constants = try ProfileTable(adjustments: [], residual: [:], provenance: "priors").constants(
        for: ProfileKey(cluster: cluster, behaviour: behaviour), priors: ConstantTable.shared.get())
    return KernelTimings(accelerator: accelerator, constants: constants, behaviour: behaviour, precision: precision)
}

private func gemm(_ m: Int, _ n: Int, _ k: Int) -> Op { Op("test", .mlp, .forward, .gemm(GEMM(m: m, n: n, k: k))) }

@Suite("Durations of kernels")
struct KernelTimingsTests {
    @Test("every constant has a prior with a reason, within its range")
    func priors() throws {
        let table = try ConstantTable.shared.get()
        for constant in Constant.allCases {
            let prior = table[constant]
            #expect(prior.why.count > 20, "\(constant.key)")
            for generation in Generation.allCases {
                #expect(prior.range.contains(prior.value(generation)), "\(constant.key) \(generation)")
            }
        }
    }

    @Test("no product beats the dense peak", arguments: [(128, 128, 128), (4096, 4096, 4096), (16384, 16384, 16384), (1, 100_000, 8)])
    func peak(shape: (Int, Int, Int)) throws {
        let h100 = try timings("h100-sxm-80gb")
        let op = gemm(shape.0, shape.1, shape.2)
        let flops = 2.0 * Double(shape.0) * Double(shape.1) * Double(shape.2)
        #expect(h100.seconds(op) > flops / 989e12)
    }

    /// 8192^3 in bf16 on an H100: 2 x 8192^3 = 1.0995 TFLOP; at the prior's 68 % of 989 TFLOP/s 1.635 ms, a little more with tiles, K loss and start.
    @Test("a large product takes the time that its efficiency says")
    func largeProduct() throws {
        let seconds = try timings("h100-sxm-80gb").seconds(gemm(8192, 8192, 8192))
        #expect(seconds > 1.635e-3 && seconds < 1.85e-3)
    }

    /// 40 tiles of 128 x 256 on 108 units are one wave that is 37 % full; 108 tiles are one full wave: 2.7 times the work in the same time.
    @Test("tile and wave quantisation: 108/40 times the work for the same waves")
    func waves() {
        #expect(abs(KernelTimings.waves(m: 128 * 40, n: 256, units: 108) - 108.0 / 40) < 1e-12)
        #expect(abs(KernelTimings.waves(m: 128 * 108, n: 256, units: 108) - 1) < 1e-12)
        // Half a tile of columns wastes the other half.
        #expect(abs(KernelTimings.waves(m: 128 * 108, n: 128, units: 108) - 2) < 1e-12)
    }

    /// 40 tiles of 128 x 256 fill 40 of 108 units; 80 of 128 x 128 fill 80, at 0.95 of the rate: 1.05 x 108 / 80. A result 128 wide fits 128 x 128
    /// exactly: 108 tiles, one full wave. Never worse than the one tile.
    @Test("the tile that suits the shape")
    func bestWaves() {
        #expect(abs(KernelTimings.bestWaves(m: 128 * 40, n: 256, units: 108) - 1.05 * 108 / 80) < 1e-12)
        #expect(abs(KernelTimings.bestWaves(m: 128 * 108, n: 128, units: 108) - 1.05) < 1e-12)
        for m in [100.0, 2048, 4096, 5000] {
            #expect(KernelTimings.bestWaves(m: m, n: 1152, units: 132) <= KernelTimings.waves(m: m, n: 1152, units: 132))
        }
    }

    @Test("time grows with each dimension", arguments: [1, 2, 3])
    func monotone(axis: Int) throws {
        let a100 = try timings("a100-sxm-80gb")
        var last = 0.0
        for size in [1024, 2048, 4096, 8192, 16384] {
            let op = axis == 1 ? gemm(size, 4096, 4096) : axis == 2 ? gemm(4096, size, 4096) : gemm(4096, 4096, size)
            let seconds = a100.seconds(op)
            #expect(seconds > last)
            last = seconds
        }
    }

    @Test("a 150-wide head costs several times an aligned one in unfused attention, and memory-bound time is bytes over bandwidth")
    func oddHeads() throws {
        let a100 = try timings("a100-sxm-80gb", stack: "megatron-deepspeed", precision: .fp16)
        func core(_ width: Int) -> Double {
            a100.seconds(
                AttentionCore(
                    batch: 1, heads: 12, kvHeads: 12, queries: 2048, keys: 2048, headDim: width, valueDim: width, causal: true, visible: 0.5
                ),
                pass: .forward)
        }
        #expect(core(150) / core(152) > 2)
        // 2.039 TB/s at the prior's 80 %: 1.6312 GB take a millisecond.
        #expect(abs(a100.memorySeconds(1.6312e9) - 1e-3) < 1e-6)
    }

    @Test("launches: a long kernel hides them, a short one is bound by them, blocking ones add")
    func launches() throws {
        let h100 = try timings("h100-sxm-80gb")
        // 100 launches of 6 us are 0.6 ms.
        #expect(abs(h100.withLaunches(gpu: 1, kernels: 100) - 1) < 1e-6)
        #expect(abs(h100.withLaunches(gpu: 1e-6, kernels: 100) / 6e-4 - 1) < 1e-6)
    }

    @Test("a 500 W H100 runs dense products at sqrt(5/7) of the 700 W rate")
    func powerCap() throws {
        let ratio =
            try timings("h100-sxm-80gb").seconds(gemm(16384, 16384, 16384)) / timings("h100-96gb-500w").seconds(gemm(16384, 16384, 16384))
        #expect(abs(ratio - (5.0 / 7).squareRoot()) < 0.01)
    }

    @Test("an estimate says what it rests on")
    func evidence() throws {
        let h100 = try timings("h100-sxm-80gb")
        let known = h100.estimate(gemm(4096, 4096, 4096))
        #expect(known.evidence == .interpolated && known.error < 0.1 && known.seconds > 0)
        #expect(h100.estimate(gemm(16, 64, 64)).evidence == .formula)
        #expect(try timings("v100-sxm-32gb", precision: .fp16).estimate(gemm(4096, 4096, 4096)).evidence == .formula)
    }

    @Test("damaged data files are refused with what is wrong")
    func damaged() {
        #expect(throws: CalibrationError.self) { try ConstantTable(yaml: "gemm: {}") }
        #expect(throws: CalibrationError.self) { try StackTable(yaml: "megatron-lm: {flash_attention: true}") }
        #expect(throws: CalibrationError.self) { try ProfileTable(yaml: "adjustments: {galaxy far: {gemm: [1, 1]}}") }
        #expect(throws: CalibrationError.self) { try ProfileTable(yaml: "adjustments: {all: {warp: [1, 1]}}") }
    }
}
