import Calibration
import Foundation
import Plan
import Scenario
import Testing

@testable import Fidelity

/// A small table of runs whose times are made by the simulator itself, so that the truth is known.
private func syntheticRuns(_ profile: ProfileTable) throws -> ([PreparedRun], CalibrationData) {
    let header =
        "id,source,hardware,gpus,gpus_per_node,inter_node,layers,hidden,heads,kv_heads,head_dim,ffn,activation,vocab,sequence,attention,"
        + "global_batch,micro_batch,tensor,pipeline,virtual,data,sequence_parallel,zero,recompute,precision,schedule,framework,step_time_s,"
        + "memory_gb,weight"
    var lines = [header]
    for (index, (hidden, tensor)) in [(4096, 1), (4096, 2), (8192, 4), (8192, 8), (6144, 4), (6144, 8)].enumerated() {
        let data = 64 / tensor
        lines.append(
            "r\(index),made,h100-sxm-80gb,64,8,ib-ndr-400g-x8,16,\(hidden),\(hidden / 128),\(hidden / 128),128,\(4 * hidden),gelu,51200,2048,"
                + "full,\(data * 4),1,\(tensor),1,1,\(data),true,1,none,bf16,1f1b,megatron-lm,1,,1")
    }
    var data = try CalibrationData.shipped()
    data.profiles = profile
    let runs = try MeasuredRuns.read(csv: lines.joined(separator: "\n"), file: "made.csv")
    return (try runs.map { try PreparedRun($0, data: data) }, data)
}

@Suite("Fit of the profiles")
struct ProfileFitTests {
    @Test("times made with a known GEMM efficiency and NVLink share give these back")
    func recoversKnownConstants() throws {
        // Truth: GEMM 12 % less efficient than the prior on this device; everything else as the priors say.
        let truth = ProfileTable(
            adjustments: [Adjustment(constant: .gemm, scope: .all, log: -0.12, sigma: 0)], residual: [:], provenance: "made")
        let none = ProfileTable(adjustments: [], residual: [:], provenance: "")
        let (made, _) = try syntheticRuns(truth)
        var (runs, data) = try syntheticRuns(none)
        let before = zip(runs, made).map { pair in (try? pair.1.seconds()).map { s in abs(((try? pair.0.seconds()) ?? 0) / s - 1) } ?? 1 }
        #expect(before.max() ?? 0 > 0.05, "the test is empty unless the priors miss the made times")
        for index in runs.indices { runs[index] = runs[index].timed(try made[index].seconds()) }
        data.profiles = none
        let fit = ProfileFit(runs: runs, data: data)
        let used = Array(repeating: true, count: runs.count)
        let solution = try fit.solve(used: used, iterations: 6)
        let after = try fit.predictions(solution.values, only: used)
        for (index, run) in runs.enumerated() {
            #expect(abs(after[index] / run.run.stepTimeS - 1) < 0.01, "row \(index)")
        }
        // GEMM (all scopes together) carries most of it; the priors of the others hold them near zero.
        let gemm = fit.parameters.indices.filter { fit.parameters[$0].constant == .gemm }.reduce(0) { $0 + solution.values[$1] }
        #expect(gemm < -0.05)
    }

    @Test("a profile file reads back as it was written")
    func roundTrip() throws {
        let table = ProfileTable(
            adjustments: [
                Adjustment(constant: .gemm, scope: .hardware("h100-sxm-80gb"), log: 0.05, sigma: 0.02),
                Adjustment(constant: .launch, scope: .era("megatron-bridge", "25.09"), log: -0.5, sigma: 0.3),
                Adjustment(constant: .network, scope: .fabric(.omnipath), log: -0.14, sigma: 0.2),
            ], residual: ["megatron-lm": 0.05], provenance: "a test")
        let again = try ProfileTable(yaml: table.yaml)
        #expect(again.residual == table.residual)
        #expect(again.provenance == "a test")
        #expect(again.adjustments.map(\.scope) == table.adjustments.map(\.scope))
        for (a, b) in zip(again.adjustments, table.adjustments) { #expect(abs(a.log - b.log) < 1e-5) }
    }

    @Test("normal equations with priors: one slope, solved by hand")
    func normalEquations() throws {
        // minimise (2 - x)^2 / 1 + x^2 / 1: x = 1, variance 1/2
        var equations = NormalEquations(size: 1)
        equations.add(row: [(0, 1)], residual: 2, weight: 1)
        equations.addPrior(index: 0, sigma: 1, distance: 0)
        let (x, variance) = try equations.solve()
        #expect(abs(x[0] - 1) < 1e-12)
        #expect(abs(variance[0] - 0.5) < 1e-12)
    }
}

private let truthFolder =
    ProcessInfo.processInfo.environment["ORRERY_SHARED"].map { $0 + "/truth" }
    ?? URL(fileURLWithPath: #filePath).appending(path: "../../../../shared/truth").standardized.path

@Suite("Published runs (shared/truth)", .enabled(if: FileManager.default.fileExists(atPath: truthFolder), "needs shared/truth/*.csv"))
struct PublishedRunTests {
    /// Unoptimised code takes minutes for all rows, so the test takes every eighth (all with ORRERY_FULL=1); `make validate` scores them all.
    @Test("rows are modelled; dense Megatron-class rows of completeness A within 10 % median")
    func publishedRows() throws {
        let stride = ProcessInfo.processInfo.environment["ORRERY_FULL"] == nil ? 8 : 1
        let data = try CalibrationData.shipped()
        var rows = 0
        var errors: [Double] = []
        let files = try FileManager.default.contentsOfDirectory(atPath: truthFolder).filter { $0.hasSuffix(".csv") }.sorted()
        for file in files {
            for (index, run) in try MeasuredRuns.read(path: truthFolder + "/" + file).enumerated() where index % stride == 0 {
                let prepared = try PreparedRun(run, data: data)
                let seconds = try prepared.seconds()
                #expect(seconds > 0)
                rows += 1
                let isMegatron = ["megatron-lm", "megatron-deepspeed"].contains(run.framework) && prepared.plan.job.model.moe == nil
                if isMegatron, run.completeness == "A" { errors.append(abs(seconds / run.stepTimeS - 1)) }
            }
        }
        errors.sort()
        let median = errors[errors.count / 2]
        print("\(rows) published runs predicted; dense Megatron-class A rows: \(errors.count), median error \(median)")
        #expect(rows > 400 / stride)
        #expect(median < 0.10)
    }
}
