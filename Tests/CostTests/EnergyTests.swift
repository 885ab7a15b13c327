import Calibration
import Cluster
import Cost
import Foundation
import Plan
import Quantities
import Simulation
import Testing
import Workload

@Suite struct EnergyTests {
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

    static func result(_ breakdown: [Activity: Double], hfu: Double, wallClock: Double, goodput: Double = 1) -> RunResult {
        let time = breakdown.values.reduce(0, +)
        let step = StepResult(
            timeS: Distribution(time), tokensPerS: 0, tokensPerSPerGPU: 0, samplesPerS: 0, modelTFLOPsPerGPU: 0, hardwareTFLOPsPerGPU: 0,
            mfu: hfu, hfu: hfu, mfuCausal: hfu, utilization: 1)
        return RunResult(
            step: step, breakdownS: breakdown, overlappedCommS: 0, memory: MemoryEstimate(stages: [], capacity: 0),
            traffic: Traffic(nvlink: 0, network: 0, byGroup: [:]),
            run: RunSummary(steps: 1, tokens: 1e9, wallClockS: wallClock, goodput: goodput, lostS: [:]),
            evidence: Evidence(measured: 0, interpolated: 0, formula: 1, stepTimeError: 0.1))
    }

    /// Compute 6 s at full rate (share 1), communication 3 s (0.5), bubble 1 s (0.2), board 400 W: (6 + 1.5 + 0.2) / 10 x 400 = 308 W.
    @Test func powerIsTheIntegralOverActivities() throws {
        let model = PowerModel(idle: 0.2, memoryBound: 0.7, computeBound: 1, communication: 0.5)
        let board = try Power(baseValue: 400)
        let step: [Activity: Double] = [.forward: 2, .backward: 4, .dataComm: 3, .bubble: 1]
        #expect(abs(model.gpuPower(breakdown: step, hfu: 0.42, boardPower: board).watts - 308) < 1e-9)
        // At half that rate computing draws (0.7 + 1) / 2: (6 x 0.85 + 1.7) / 10 x 400 = 272 W.
        #expect(abs(model.gpuPower(breakdown: step, hfu: 0.21, boardPower: board).watts - 272) < 1e-9)
        #expect(model.gpuPower(breakdown: [:], hfu: 0, boardPower: board).watts == 80)
    }

    /// LLaMA-65B (arXiv:2302.13971, table 15): 1,022,362 A100 hours x 400 W x 1.1 = 449.8 MWh, and BLOOM's 1,082,990 x 0.4 kW = 433,196 kWh
    /// (Luccioni et al., arXiv:2211.02001), both at nameplate power.
    @Test func publishedEnergyAtNameplatePower() throws {
        for (hours, pue, published) in [(1_022_362.0, 1.1, 449_839.0), (1_082_990.0, 1.0, 433_196.0)] {
            let job = try Self.job(gpus: 1)
            let run = Self.result([.forward: 1], hfu: 0.5, wallClock: hours * 3600)
            let energy = try PowerModel.nameplate.energy(of: run, job: job)
            #expect(abs(energy.kilowattHours * pue - published) < 1)
        }
    }

    /// BLOOM by activity. The shares of the step are an assumption (150 of 312 TFLOP/s, three quarters of the step computing), not a measurement.
    /// Nameplate 433 MWh is the most that its GPUs can have drawn on average, and less than the machines did with their hosts. The paper's idle
    /// share, 14.6 t at 0.057 kg/kWh (recalled), adds 256 MWh: 689 MWh. Band: GPUs 65 to 100 % of 433, all 433 to 1.1 x 689.
    @Test func bloomWithinItsBand() throws {
        let job = try Self.job(gpus: 384)
        let hours = 1_082_990.0 / 384
        let step: [Activity: Double] = [
            .forward: 18, .backward: 38, .recompute: 19, .tensorComm: 12, .dataComm: 3, .bubble: 8, .optimizer: 2,
        ]
        let run = Self.result(step, hfu: 0.48, wallClock: hours * 3600)
        let model = try PowerModel(of: .ampere)
        let all = try model.energy(of: run, job: job).kilowattHours / 1000
        let hosts = model.hostPower(job.cluster) * hours / 1e6
        print("BLOOM: GPUs \(fixed(all - hosts, decimals: 0)) MWh, with hosts \(fixed(all, decimals: 0)) MWh")
        #expect((0.65 * 433...433).contains(all - hosts))
        #expect((433...760.0).contains(all))
    }

    /// Every generation has a row, in order: idle < communication < memory < compute <= board.
    @Test(arguments: Generation.allCases) func sharesAreOrdered(_ generation: Generation) throws {
        let model = try PowerModel(of: generation)
        #expect(0 < model.idle && model.idle < model.communication && model.communication < model.memoryBound)
        #expect(model.memoryBound < model.computeBound && model.computeBound <= 1)
        #expect(!model.source.isEmpty)
    }

    /// 366 B tokens in batches of 2,048 x 2,048: 87,262 steps (the last one full). At 105 s a step 106 days, on 384 GPUs 977,334 GPU-hours.
    @Test func tokensToDays() throws {
        var job = try Self.job(gpus: 384)
        job.training.length = .tokens(366_000_000_000)
        let run = try RunSummary.project(job: job, stepTime: try Duration(seconds: 105))
        #expect(run.steps == 87_262)
        #expect(run.tokens == 87_262.0 * 2048 * 2048)
        #expect(run.wallClockS == 87_262.0 * 105)
        #expect(abs(run.days - 106.05) < 0.01)
        #expect(abs(run.gpuHours(gpus: 384) - 977_334.4) < 0.1)
        job.training.length = .steps(10)
        #expect(try RunSummary.project(job: job, stepTime: try Duration(seconds: 2)).wallClockS == 20)
        job.training.length = .oneStep
        #expect(try RunSummary.project(job: job, stepTime: try Duration(seconds: 2)).steps == 1)
        job.training.length = .tokens(Int64.max)
        job.training.globalBatch = 1
        job.training.sequence = 1
        #expect(throws: QuantityError.self) { try RunSummary.project(job: job, stepTime: try Duration(seconds: 2)) }
        job.training.length = .steps(Int.max)
        #expect(throws: QuantityError.self) { try RunSummary.project(job: job, stepTime: try Duration(seconds: 2)) }
    }

    /// The bill of a result: 8 GPUs for 10 hours at 2 USD.
    @Test func billOfARun() throws {
        var book = PriceBook()
        book.gpuHour = try HourlyPrice(baseValue: 2)
        book.pue = 1.1
        let job = try Self.job(gpus: 8)
        let bill = try book.bill(for: Self.result([.forward: 1], hfu: 0.5, wallClock: 36_000), job: job)
        #expect(bill.gpuHours == 80)
        #expect(bill.computeUSD == 160)
        #expect(bill.usdPerMillionTokens == 0.16)
        // Board power 400 W, and about as much of host at 0.6: between 60 and 160 % of the boards' 32 kWh, times the facility's 1.1.
        #expect((0.6 * 32 * 1.1...1.6 * 32 * 1.1).contains(bill.energyKWh))
    }
}
