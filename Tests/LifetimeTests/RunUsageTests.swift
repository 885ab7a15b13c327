import Calibration
import Cluster
import Cost
import Foundation
import Plan
import Quantities
import Simulation
import Testing
import Workload

@testable import Lifetime

@Suite("A run of many steps, and what it uses")
struct RunUsageTests {
    static func job(gpus: Int, watts: Double = 400, generation: Generation = .ampere) throws -> Job {
        let gpu = Accelerator(
            name: "test", generation: generation, computeUnits: 108, peaks: [.bf16: 312e12], memory: Bytes(80_000_000_000),
            memoryBandwidth: try Bandwidth(baseValue: 2e12), boardPower: try Power(baseValue: watts), source: "test")
        let link = Link(name: "nvlink", fabric: .nvlink, bandwidth: try Bandwidth(baseValue: 3e11), latency: .zero, source: "test")
        var training = TrainingSpec()
        training.globalBatch = 2048
        training.sequence = 2048
        var model = Architecture(name: "test")
        model.layers = 70
        return Job(
            model: model, cluster: ClusterSpec(name: "test", accelerator: gpu, gpus: gpus, gpusPerNode: 8, intraNode: link, interNode: nil),
            layout: Layout(), training: training, software: SoftwareStack(framework: "megatron-deepspeed"))
    }

    static func step(_ breakdown: [Activity: Double], hfu: Double) -> SimulatedStep {
        let time = breakdown.values.reduce(0, +)
        let step = StepResult(
            timeS: Distribution(time), tokensPerS: 0, tokensPerSPerGPU: 0, samplesPerS: 0, modelTFLOPsPerGPU: 0, hardwareTFLOPsPerGPU: 0,
            mfu: hfu, hfu: hfu, mfuCausal: hfu, utilization: 1)
        return SimulatedStep(
            step: step, breakdownS: breakdown, overlappedCommS: 0, memory: MemoryEstimate(stages: [], capacity: 0),
            traffic: Traffic(nvlink: 0, network: 0, byGroup: [:]),
            evidence: Evidence(measured: 0, interpolated: 0, formula: 1, stepTimeError: 0.1))
    }

    static func run(hours: Double) -> RunSummary { RunSummary(steps: 1, tokens: 1e9, wallClockS: hours * 3600, goodput: 1, lostS: [:]) }

    /// Compute 6 s at full rate (share 1), communication 3 s (0.5), bubble 1 s (0.2), board 400 W: (6 + 1.5 + 0.2) / 10 x 400 = 308 W.
    @Test("Each activity draws the power of its state")
    func powerOfActivities() throws {
        let model = PowerModel(idle: 0.2, memoryBound: 0.7, computeBound: 1, communication: 0.5)
        let load = PowerLoad([.forward: 2, .backward: 4, .dataComm: 3, .bubble: 1], hfu: 0.42)
        #expect(abs(model.gpuPower(load, boardPower: try Power(baseValue: 400)).watts - 308) < 1e-9)
    }

    /// BLOOM by activity. The shares of the step are an assumption (150 of 312 TFLOP/s, three quarters of the step computing), not a measurement.
    /// Nameplate 433 MWh is the most that its GPUs can have drawn on average, and less than the machines did with their hosts. The paper's idle
    /// share, 14.6 t at 0.057 kg/kWh (recalled), adds 256 MWh: 689 MWh. Band: GPUs 65 to 100 % of 433, all 433 to 1.1 x 689.
    @Test("BLOOM's energy lies in its band")
    func bloomWithinItsBand() throws {
        let job = try Self.job(gpus: 384)
        let hours = 1_082_990.0 / 384
        let step: [Activity: Double] = [
            .forward: 18, .backward: 38, .recompute: 19, .tensorComm: 12, .dataComm: 3, .bubble: 8, .optimizer: 2,
        ]
        let all = try Usage(of: Self.run(hours: hours), step: Self.step(step, hfu: 0.48), job: job).energy.kilowattHours / 1000
        let hosts = try PowerModel(of: .ampere).hostPower(job.cluster) * hours / 1e6
        #expect((0.65 * 433...433).contains(all - hosts))
        #expect((433...760.0).contains(all))
    }

    /// 366 B tokens in batches of 2,048 x 2,048: 87,262 steps (the last one full). At 105 s a step 106 days, on 384 GPUs 977,334 GPU-hours.
    @Test("Tokens become steps, days and GPU-hours")
    func tokensToDays() throws {
        var job = try Self.job(gpus: 384)
        job.training.length = .tokens(366_000_000_000)
        let run = RunSummary(undisturbed: job, stepS: 105)
        #expect(run.steps == 87_262)
        #expect(run.tokens == 87_262.0 * 2048 * 2048)
        #expect(run.wallClockS == 87_262.0 * 105)
        #expect(run.goodput == 1 && run.lostS.isEmpty)
        let usage = try Usage(of: run, step: Self.step([.forward: 1], hfu: 0.5), job: job)
        #expect(abs(usage.gpuHours - 977_334.4) < 0.1)
        job.training.length = .steps(10)
        #expect(RunSummary(undisturbed: job, stepS: 2).wallClockS == 20)
        job.training.length = .oneStep
        #expect(RunSummary(undisturbed: job, stepS: 2).steps == 1)
    }

    @Test("A run longer than the clock holds is a fault, not a trap")
    func endlessRun() throws {
        var job = try Self.job(gpus: 1)
        (job.training.globalBatch, job.training.sequence, job.training.length) = (1, 1, .tokens(Int64.max))
        let step = Self.step([.forward: 1], hfu: 0.5)
        #expect(throws: Fault.self) { try Usage(of: RunSummary(undisturbed: job, stepS: 2), step: step, job: job) }
        job.training.length = .steps(Int.max)
        #expect(throws: Fault.self) { try Usage(of: RunSummary(undisturbed: job, stepS: 2), step: step, job: job) }
    }

    /// 8 GPUs for 10 hours at 2 USD.
    @Test("The bill of a run")
    func billOfARun() throws {
        var book = PriceBook()
        book.gpuHour = try HourlyPrice(baseValue: 2)
        book.pue = 1.1
        let usage = try Usage(of: Self.run(hours: 10), step: Self.step([.forward: 1], hfu: 0.5), job: try Self.job(gpus: 8))
        let bill = try book.bill(for: usage)
        #expect(bill.gpuHours == 80)
        #expect(bill.computeUSD == 160)
        #expect(bill.usdPerMillionTokens == 0.16)
        // Board power 400 W, and about as much of host at 0.6: between 60 and 160 % of the boards' 32 kWh, times the facility's 1.1.
        #expect((0.6 * 32 * 1.1...1.6 * 32 * 1.1).contains(bill.energyKWh))
    }
}
