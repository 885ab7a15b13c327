import Calibration
import Cluster
import Cost
import Foundation
import Lifetime
import Plan
import Quantities
import Scenario
import Simulation
import Studies
import Workload

@testable import Report

/// Hand-made runs: numbers are chosen for reading, not computed by any part of the program.
enum Fixture {
    static func job(gpus: Int = 16384, pipeline: Int = 16, length: TrainingSpec.Length = .tokens(15_600_000_000_000)) throws -> Job {
        let device = Accelerator(
            name: "h100-sxm-80gb", generation: .hopper, computeUnits: 132, peaks: [.bf16: 989e12], memory: Bytes(80_000_000_000),
            memoryBandwidth: try Bandwidth(baseValue: 3.35e12), boardPower: try Power(baseValue: 700), chip: "gh100",
            source: "made for a test")
        let nvlink = Link(
            name: "nvlink4", fabric: .nvlink, bandwidth: try Bandwidth(baseValue: 450e9), latency: Duration(nanoseconds: 1000),
            source: "made for a test")
        let roce = Link(
            name: "roce-400g", fabric: .roce, bandwidth: try Bandwidth(baseValue: 50e9), latency: Duration(nanoseconds: 5000),
            source: "made for a test")
        var layout = Layout()
        layout.tensor = 8
        layout.pipeline = pipeline
        layout.sequenceParallel = true
        layout.zero = 1
        var training = TrainingSpec()
        training.globalBatch = 2048
        training.sequence = 8192
        training.length = length
        var software = SoftwareStack(framework: "megatron-lm")
        software.release = "core-0.8"
        return Job(
            model: Architecture(name: "Llama-3 405B"),
            cluster: ClusterSpec(
                name: "test", accelerator: device, gpus: gpus, gpusPerNode: 8, intraNode: nvlink,
                interNode: InterNode(link: roce, nicsPerNode: 8)),
            layout: layout, training: training, software: software)
    }

    static func result(stages: Int = 16, scale: Double = 1, extraActivations: Double = 0) -> SimulatedStep {
        let breakdown: [Activity: Double] = [
            .forward: 1.25 * scale, .backward: 2.5 * scale, .optimizer: 0.0625 * scale, .tensorComm: 0.5 * scale,
            .pipelineComm: 0.125 * scale,
            .dataComm: 0.0625 * scale, .bubble: 0.4375 * scale, .launch: 0.0625 * scale,
        ]
        let memory = MemoryEstimate(
            stages: (0..<stages).map { index in
                var stage = MemoryEstimate.Stage()
                stage.parameters = index == 0 ? 7.5e9 : 6.5e9
                stage.gradients = 2 * stage.parameters
                stage.optimizer = 2e9
                stage.activations = 1.6e9 * Double(stages - index) + extraActivations
                stage.buffers = 2.5e9
                stage.fragmentation = 3e9
                return stage
            }, capacity: 80e9)
        let step = 5 * scale
        let tokens = 2048.0 * 8192
        let stepResult = StepResult(
            timeS: Distribution(mean: step, p5: step * 0.98, p50: step * 0.999, p95: step * 1.03, n: 200), tokensPerS: tokens / step,
            tokensPerSPerGPU: tokens / step / 16384, samplesPerS: 2048 / step, modelTFLOPsPerGPU: 425 / scale,
            hardwareTFLOPsPerGPU: 425 / scale,
            mfu: 0.43 / scale, hfu: 0.43 / scale, mfuCausal: 0.4 / scale, utilization: 0.78)
        let wave: [Double] = (0..<200).map { abs(sin(Double($0) * 1.7)) * abs(cos(Double($0) * 0.37)) }
        let assumptions = [
            Assumption(subject: "cluster.gpu peak", value: "989 TFLOP/s bf16 dense", source: "NVIDIA H100 data sheet"),
            Assumption(subject: "network latency", value: "5 us a message", source: "default of the roce-400g link"),
        ]
        return SimulatedStep(
            step: stepResult, breakdownS: breakdown, overlappedCommS: 0.75, memory: memory,
            traffic: Traffic(nvlink: 5.5e11, network: 2.2e10, byGroup: ["tensor": 5.5e11, "pipeline": 6e9, "data": 1.6e10]),
            evidence: Evidence(measured: 0.62, interpolated: 0.25, formula: 0.13, stepTimeError: 0.06),
            warnings: ["layout.stage_layers: 126 layers over 16 stages are uneven; the first and last stage have 7"],
            assumptions: assumptions,
            timeline: oneForwardOneBackward(stages: stages, microBatches: 24, forwardNS: 40_000_000, backwardNS: 80_000_000),
            stepTimesS: wave.map { step * (0.97 + 0.06 * $0) })
    }

    static func report(name: String = "llama3-405b-16k", stages: Int = 16, scale: Double = 1, extraActivations: Double = 0) throws
        -> RunAnswer
    {
        var scenario = Scenario(name: name, job: try job(pipeline: stages))
        scenario.hash = "1f3a9c5e77d20b64"
        scenario.warnings = []
        var bill = Bill()
        bill.computeUSD = 46_500_000 * scale
        bill.energyUSD = 1_500_000 * scale
        bill.totalUSD = 48_000_000 * scale
        bill.usdPerMillionTokens = 3.08 * scale
        bill.gpuHours = 23_500_000 * scale
        bill.energyKWh = 2.2e7 * scale
        bill.carbonKg = 7.7e6 * scale
        let run = RunSummary(
            steps: 929_832, tokens: 15.6e12, wallClockS: 929_832 * 5 * scale / 0.9, goodput: 0.9,
            lostS: [.failures: 3.6e5, .checkpoints: 1.2e5])
        var report = RunAnswer(
            scenario: scenario, result: result(stages: stages, scale: scale, extraActivations: extraActivations), run: run, bill: bill,
            version: "0.1.0")
        report.priceSources = ["gpu_hour": "given in the scenario"]
        return report
    }

    /// A 1F1B timeline by the plain recurrence: stage s runs min(p - s, m) forwards, then alternates; an op starts when its stage and its input are ready.
    static func oneForwardOneBackward(stages: Int, microBatches: Int, forwardNS: Int64, backwardNS: Int64) -> [Span] {
        let send: Int64 = 3_000_000
        let order = (0..<stages).map { stage -> [(forward: Bool, batch: Int)] in
            let warm = min(stages - stage, microBatches)
            var ops = (0..<warm).map { (true, $0) }
            for batch in 0..<microBatches {
                ops.append((false, batch))
                if batch + warm < microBatches { ops.append((true, batch + warm)) }
            }
            return ops
        }
        var done: [[Int64?]] = Array(repeating: Array(repeating: nil, count: 2 * microBatches), count: stages)
        var next = Array(repeating: 0, count: stages)
        var free = Array(repeating: Int64(0), count: stages)
        var spans: [Span] = []
        var moved = true
        while moved {
            moved = false
            for stage in 0..<stages {
                while next[stage] < order[stage].count {
                    let (forward, batch) = order[stage][next[stage]]
                    let source = forward ? stage - 1 : stage + 1
                    var ready: Int64 = 0
                    if source >= 0, source < stages {
                        guard let input = done[source][forward ? batch : microBatches + batch] else { break }
                        ready = input + send
                        spans.append(
                            Span(
                                rank: stage, stream: "receive", activity: .pipelineComm, label: "receive \(batch)", startNS: input,
                                durationNS: send))
                    }
                    let start = max(ready, free[stage])
                    let length = forward ? forwardNS : backwardNS
                    spans.append(
                        Span(
                            rank: stage, stream: "compute", activity: forward ? .forward : .backward,
                            label: "\(forward ? "F" : "B")\(batch)", startNS: start,
                            durationNS: length))
                    free[stage] = start + length
                    done[stage][forward ? batch : microBatches + batch] = start + length
                    next[stage] += 1
                    moved = true
                }
            }
        }
        let end = free.max() ?? 0
        for stage in 0..<stages {
            spans.append(
                Span(
                    rank: stage, stream: "data", activity: .dataComm, label: "reduce-scatter", startNS: free[stage], durationNS: 60_000_000)
            )
            spans.append(
                Span(
                    rank: stage, stream: "compute", activity: .optimizer, label: "optimizer", startNS: end + 60_000_000,
                    durationNS: 20_000_000))
        }
        return spans
    }

    static func row(
        _ id: String, measured: Double, predicted: Double?, weight: Double = 1, gpus: Int = 64, hardware: String = "a100-sxm-80gb"
    ) -> ValidationRow {
        let row = ValidationRow(
            ValidationRow.Origin(id: id, file: "t.csv", source: "paper", hardware: hardware, framework: "megatron-lm", completeness: "A"),
            ValidationRow.Shape(gpus: gpus, layers: 24, hidden: 2304, sequence: 2048, globalBatch: 512), measuredS: measured, memoryGB: 50,
            weight: weight)
        guard let predicted else { return row.failed("no calibration for \(hardware)") }
        return row.predicted(
            ValidationRow.Prediction(
                stepS: predicted, memoryGB: 55, fits: true, interval90: predicted * 0.9...predicted * 1.1,
                evidence: Evidence(measured: 0.5, interpolated: 0.3, formula: 0.2, stepTimeError: 0.06)))
    }
}
