import Calibration
import Foundation
import Plan
import Scenario
import Testing

@testable import Fidelity

/// Runs of small layouts of one model; `framework` need not be known.
private func runs(
    framework: String, hardware: String = "h100-sxm-80gb", data: CalibrationData, layouts: [(gpus: Int, tensor: Int, micro: Int)]
) throws -> [PreparedRun] {
    let header =
        "id,hardware,gpus,gpus_per_node,inter_node,layers,hidden,heads,ffn,activation,vocab,sequence,global_batch,micro_batch,tensor,"
        + "pipeline,sequence_parallel,zero,recompute,precision,framework,step_time_s"
    let lines = layouts.enumerated().map { index, layout in
        "r\(index),\(hardware),\(layout.gpus),8,ib-ndr-400g-x8,16,2048,32,8192,swiglu,32000,2048,\(layout.gpus / layout.tensor * layout.micro * 4),"
            + "\(layout.micro),\(layout.tensor),1,\(layout.tensor > 1),\(framework.contains("fsdp") ? 3 : 1),none,bf16,\(framework),1"
    }
    return try MeasuredRuns.read(csv: ([header] + lines).joined(separator: "\n"), file: "made.csv").map { try PreparedRun($0, data: data) }
}

private let layouts = [(8, 1, 4), (8, 1, 1), (8, 8, 1), (8, 4, 2), (16, 8, 4), (16, 2, 1), (32, 4, 1), (32, 8, 2)].map {
    (gpus: $0.0, tensor: $0.1, micro: $0.2)
}

@Suite("Own runs update the calibration")
struct AnchoringTests {
    @Test("runs of a stack that nobody knows bring its other runs near")
    func unknownStack() throws {
        let shipped = try CalibrationData.shipped()
        // The truth: kernels 15 % slower and a host that takes three times as long as the kind of stack suggests.
        var truth = shipped
        truth.profiles.adjustments += [
            Adjustment(constant: .gemm, scope: .stack("homemade"), log: -0.15, sigma: 0),
            Adjustment(constant: .launch, scope: .stack("homemade"), log: 1.1, sigma: 0),
        ]
        let made = try runs(framework: "homemade", data: truth, layouts: layouts)
        let plain = try runs(framework: "homemade", data: shipped, layouts: layouts)
        let times = try made.map { try $0.seconds() }
        let before = try zip(plain, times).map { abs(log(try $0.seconds() / $1)) }
        let taken = [0, 1, 2, 4]
        let anchoring = try Anchoring(prepared: taken.map { plain[$0].timed(times[$0]) }, data: shipped)
        let after = try runs(framework: "homemade", data: anchoring.data, layouts: layouts)
        let rest = layouts.indices.filter { !taken.contains($0) }
        let errors = try rest.map { abs(log(try after[$0].seconds() / times[$0])) }
        let (missed, left) = (rest.map { before[$0] }.reduce(0, +), errors.reduce(0, +))
        #expect(missed > 0.4, "the test is empty unless the shipped constants miss")
        #expect(left < 0.35 * missed)
        #expect(anchoring.rows == 4 && anchoring.suspects.isEmpty && !anchoring.shifted.isEmpty && anchoring.silent.contains("pipelines"))
        // And the interval gets narrower.
        let (wide, narrow) = (plain[7], after[7])
        let old = wide.uncertainty(shipped.profiles, priors: shipped.priors)
        let new = narrow.uncertainty(anchoring.data.profiles, priors: shipped.priors)
        #expect(old.unseen == ["stack homemade"] && new.error < old.error)
    }

    @Test("runs as predicted change nothing, and one far off is named and not believed")
    func suspects() throws {
        let shipped = try CalibrationData.shipped()
        let plain = try runs(framework: "megatron-lm", data: shipped, layouts: layouts)
        let exact = try plain.map { $0.timed(try $0.seconds()) }
        let same = try Anchoring(prepared: exact, data: shipped)
        #expect(same.shifted.isEmpty && same.suspects.isEmpty)
        var odd = exact
        odd[3] = exact[3].timed(4 * (try exact[3].seconds()))
        let told = try Anchoring(prepared: odd, data: shipped)
        #expect(told.rows == layouts.count - 1 && told.suspects.count == 1 && told.suspects[0].contains("r3"))
    }

    @Test("a design takes variance away, run by run")
    func design() throws {
        let shipped = try CalibrationData.shipped()
        let all = try runs(framework: "homemade", data: shipped, layouts: layouts)
        let one = try MeasurementDesign(candidates: Array(all.prefix(4)), targets: all, count: 1, data: shipped)
        let three = try MeasurementDesign(candidates: Array(all.prefix(4)), targets: all, count: 3, data: shipped)
        #expect(one.chosen == Array(three.chosen.prefix(1)) && Set(three.chosen).count == 3)
        #expect(zip(one.before, one.after).allSatisfy { $1 <= $0 + 1e-12 })
        #expect(three.after.reduce(0, +) < one.after.reduce(0, +) && one.after.reduce(0, +) < one.before.reduce(0, +))
    }

    @Test("words of a choice of anchors")
    func choices() {
        #expect(AnchorChoice(parsing: "smallest") == .smallest && AnchorChoice(parsing: "designed:5") == .designed(5))
        #expect(AnchorChoice(parsing: "first:0") == nil && AnchorChoice(parsing: "best") == nil && AnchorChoice(parsing: "designed") == nil)
    }
}

@Suite("What a prediction may be off by")
struct UncertaintyTests {
    @Test("wider where the chip or the stack is unknown, and it says so")
    func unknownScopes() throws {
        let shipped = try CalibrationData.shipped()
        func uncertainty(_ framework: String, _ hardware: String) throws -> StepUncertainty {
            let run = try runs(framework: framework, hardware: hardware, data: shipped, layouts: [(8, 2, 2)])[0]
            return run.uncertainty(shipped.profiles, priors: shipped.priors)
        }
        let known = try uncertainty("megatron-lm", "h100-sxm-80gb")
        let chip = try uncertainty("megatron-lm", "mi300x-192gb")
        let stack = try uncertainty("homemade", "h100-sxm-80gb")
        let both = try uncertainty("homemade", "mi300x-192gb")
        #expect(known.unseen.isEmpty && known.remarks.isEmpty)
        #expect(chip.unseen == ["chip mi300"] && stack.unseen == ["stack homemade"] && both.unseen.count == 2)
        #expect(chip.error > known.error && stack.error > known.error && both.error > 0.7 * max(chip.error, stack.error))
        #expect(chip.remarks.first?.contains("mi300") == true)
        let range = known.interval90(2)
        #expect(range.lowerBound < 2 && range.upperBound > 2)
    }

    @Test("cards of one chip differ by their own figures alone")
    func silicon() throws {
        let shipped = try CalibrationData.shipped()
        let a100 = try runs(framework: "llm-foundry-fsdp", hardware: "a100-sxm-80gb", data: shipped, layouts: [(8, 1, 4)])[0]
        let a800 = try runs(framework: "llm-foundry-fsdp", hardware: "a800-sxm-80gb", data: shipped, layouts: [(8, 1, 4)])[0]
        #expect(abs(log(try a800.seconds() / a100.seconds())) < 0.08)
    }

    @Test("a stack with blocking sends has a second state between nodes")
    func secondState() throws {
        let shipped = try CalibrationData.shipped()
        let header =
            "hardware,gpus,gpus_per_node,inter_node,layers,hidden,heads,ffn,activation,vocab,sequence,global_batch,micro_batch,tensor,pipeline,precision,framework,step_time_s"
        func state(_ gpus: Int, _ framework: String) throws -> StepUncertainty {
            let row = "h100-sxm-80gb,\(gpus),8,roce-400g-x8,16,2048,32,8192,swiglu,32000,4096,256,1,2,4,bf16,\(framework),1"
            let run = try MeasuredRuns.read(csv: header + "\n" + row, file: "made.csv")[0]
            return try PreparedRun(run, data: shipped).uncertainty(shipped.profiles, priors: shipped.priors)
        }
        let large = try state(256, "nanotron")
        let slow = try #require(large.slow)
        #expect(slow.probability > 0.3 && slow.added > 1 && large.remarks.contains { $0.contains("repeat") })
        #expect(large.interval90(1).upperBound > 1 + slow.added)
        #expect(try state(256, "megatron-lm").slow == nil)
    }
}

@Suite("Rows left out by algebra")
struct LeaveOutTests {
    @Test("equals the equations without the rows")
    func woodbury() throws {
        var data = try CalibrationData.shipped()
        data.profiles = ProfileTable(adjustments: [], residual: [:], provenance: "")
        let made = try runs(framework: "megatron-lm", data: data, layouts: layouts)
        let timed = try made.enumerated().map { $1.timed(try $1.seconds() * (1 + 0.03 * Double($0 % 3))) }
        let fit = ProfileFit(runs: timed, data: data)
        let values = fit.parameters.map { _ in 0.0 }
        let rows = try fit.linearise(at: values, used: timed.map { _ in true })
        let solution = try LeaveOut(fit: fit, at: values, rows: rows).without([1, 4, 5])
        var equations = NormalEquations(size: values.count)
        for (index, row) in rows.enumerated() where ![1, 4, 5].contains(index) {
            equations.add(row: row.gradient, residual: row.residual, weight: fit.weight(of: index, residual: row.residual))
        }
        for (index, parameter) in fit.parameters.enumerated() { equations.addPrior(index: index, sigma: parameter.sigma, distance: 0) }
        let (step, variances) = try equations.solve()
        for index in values.indices {
            #expect(abs(solution.values[index] - step[index]) < 1e-8)
            #expect(abs(solution.sigmas[index] - variances[index].squareRoot()) < 1e-8)
        }
    }
}
