import Cluster
import Testing
import Workload

@testable import Calibration

@Suite("Predictions on measured kernels")
struct MeasuredKernelsTests {
    private func timings(_ measured: MeasuredKernels?, precision: Precision = .bf16) throws -> KernelTimings {
        let accelerator = try Catalogue.accelerator(named: "h100-sxm-80gb")
        let behaviour = try StackTable.shared.get().behaviour(
            of: SoftwareStack(framework: "megatron-lm"), on: accelerator, isMoE: false, precision: precision)
        let (cluster, _) = try ClusterSpec.measured(hardware: "h100-sxm-80gb", gpus: 8, gpusPerNode: 8, interNode: "none")
        let constants = try ProfileTable(adjustments: [], residual: [:], provenance: "priors").constants(
            for: ProfileKey(cluster: cluster, behaviour: behaviour), priors: ConstantTable.shared.get())
        return KernelTimings(
            accelerator: accelerator, constants: constants, behaviour: behaviour, precision: precision, measured: measured)
    }

    private func grid(layout: Measurement.Layout, factor: Double) -> [Measurement] {
        var all: [Measurement] = []
        for m in [1024, 2048, 4096, 8192] {
            for n in [1024, 2048, 4096, 8192] {
                for k in [1024, 2048, 4096] {
                    let shape = Synthetic.product(m, n, k)
                    var one = Synthetic.measurement(shape, seconds: factor * Synthetic.seconds(shape), device: "h100-sxm-80gb")
                    one.key.layout = layout
                    all.append(one)
                }
            }
        }
        return all
    }

    private func op(_ m: Int, _ n: Int, _ k: Int, _ pass: Pass = .forward, count: Int = 1) -> Op {
        Op("test", .mlp, pass, .gemm(GEMM(m: m, n: n, k: k, count: count)))
    }

    /// Weight gradients (NT) were measured 1.5 times as slow as the forward products (TN); the input gradient (NN) was not measured and takes TN's.
    @Test func layoutsFollowPasses() throws {
        let measured = try MeasuredKernels(grid(layout: .tn, factor: 1) + grid(layout: .nt, factor: 1.5), device: "h100-sxm-80gb")
        let timings = try timings(measured)
        let time = Synthetic.seconds(Synthetic.product(2048, 4096, 1024))
        for (pass, factor) in [(Pass.forward, 1.0), (.weightGradient, 1.5)] {
            let estimate = timings.estimate(op(2048, 4096, 1024, pass))
            #expect(estimate.evidence == .measured)
            #expect(abs(estimate.seconds / (factor * time) - 1) < 1e-9)
            #expect(timings.seconds(op(2048, 4096, 1024, pass)) == estimate.seconds)
        }
        #expect(timings.estimate(op(2048, 4096, 1024, .inputGradient)).evidence == .measured)
        // Three products in a row take three times as long.
        #expect(abs(timings.seconds(op(2048, 4096, 1024, count: 3)) / (3 * time) - 1) < 1e-9)
        #expect(timings.estimate(op(3000, 3000, 3000)).evidence == .interpolated)
        #expect(timings.estimate(op(30_000, 3000, 3000)).evidence == .formula)
    }

    /// What was not measured (another format, attention, norms) is as without measurements.
    @Test func theRestKeepsItsFormulas() throws {
        let measured = try MeasuredKernels(grid(layout: .unknown, factor: 1), device: "h100-sxm-80gb")
        let (with, without) = (try timings(measured, precision: .fp16), try timings(nil, precision: .fp16))
        #expect(with.estimate(op(2048, 2048, 2048)) == without.estimate(op(2048, 2048, 2048)))
        let norm = Op("norm", .elementwise, .forward, .memory(MemoryPass(bytes: 1e8, rowLength: 4096)))
        #expect(with.estimate(norm) == without.estimate(norm))
    }

    /// Products in 8 bits that were measured alone pay for their quantise kernels on top, as the formula does.
    @Test func quantisingComesOnTop() throws {
        var rows = grid(layout: .tn, factor: 0.5)
        for index in rows.indices { rows[index].key.dtype = .fp8 }
        let measured = try MeasuredKernels(rows, device: "h100-sxm-80gb")
        let curve = try #require(measured.curves.first)
        let seconds = try timings(measured, precision: .fp8).seconds(op(2048, 4096, 1024))
        let alone = 0.5 * Synthetic.seconds(Synthetic.product(2048, 4096, 1024))
        let isQuantised = curve.formula == .productQuantised || curve.formula == .productInWavesQuantised
        #expect(isQuantised ? abs(seconds / alone - 1) < 1e-9 : seconds > alone * 1.01)
    }

    @Test func collectivesOfAGroupSize() throws {
        var rows = grid(layout: .tn, factor: 1)
        for power in 10...28 {
            let bytes = Double(1 << power)
            let key = Measurement.Key(
                .allReduce, device: "h100-sxm-80gb", dtype: .bf16, shape: .collective(bytes: bytes, ranks: 8, perNode: 8))
            rows.append(Measurement(key, seconds: 15e-6 + bytes * 1.75 / 450e9, source: "synthetic"))
        }
        let measured = try MeasuredKernels(rows, device: "h100-sxm-80gb")
        let estimate = try #require(measured.collective(.allReduce, bytes: 3e6, ranks: 8, perNode: 8))
        #expect(estimate.evidence == .interpolated)
        #expect(abs(estimate.seconds / (15e-6 + 3e6 * 1.75 / 450e9) - 1) < 0.02)
        #expect(measured.collective(.allReduce, bytes: 3e6, ranks: 4, perNode: 4) == nil)
    }

    @Test func theEmulatedGPUIsRefused() {
        let emulated = grid(layout: .tn, factor: 1).map { row in
            var row = row
            row.key.device = "emulated-gpu"
            return row
        }
        for device in ["h100-sxm-80gb", "emulated-gpu"] {
            #expect { try MeasuredKernels(emulated, device: device) } throws: { "\($0)".contains("emulated GPU") }
        }
    }

    @Test func anotherDeviceIsRefused() {
        #expect { try MeasuredKernels(grid(layout: .tn, factor: 1), device: "b200-sxm-180gb") } throws: {
            "\($0)".contains("nothing was measured on b200-sxm-180gb; the measurements are of h100-sxm-80gb")
        }
    }
}
