import Calibration
import Cluster
import Engine
import Plan
import Quantities
import TestSupport
import Testing
import Workload

@testable import Simulation

/// What layouts beyond the plain ones cost in a played step.
@Suite("Layouts in a step")
struct LayoutTests {
    static func job(
        _ preset: String = "llama2-7b", tensor: Int = 1, pipeline: Int = 4, data: Int = 4, change: (inout Job) -> Void = { _ in }
    ) throws -> Job {
        try JobFixture(preset, tensor: tensor, pipeline: pipeline, data: data).job {
            $0.layout.sequenceParallel = false
            $0.cluster.host = try Catalogue.usualHost(for: "h100-sxm-80gb")
            change(&$0)
        }
    }

    static func result(_ job: Job) throws -> SimulatedStep { try simulate(job.plan(CalibrationData.shipped())) }
    static func seconds(_ job: Job) throws -> Double { try result(job).step.timeS.mean }

    /// ZB-V has less bubble than 1F1B (p-1)(tF+tB+tW), and the first rank has both ends of the model.
    @Test func foldedSchedulesShortenTheStep() throws {
        let plain = try Self.result(Self.job { $0.layout.overlap.pipeline = true })
        let folded = try Self.result(
            Self.job {
                $0.layout.schedule = .zbV
                $0.layout.overlap.pipeline = true
            })
        #expect(folded.breakdownS[.bubble] ?? 1 < plain.breakdownS[.bubble] ?? 0)
        let plan = try Self.job { $0.layout.schedule = .zbV }.plan(CalibrationData.shipped())
        #expect(plan.schedule.virtualStage == [[0, 7], [1, 6], [2, 5], [3, 4]])
        #expect(plan.memory.stages[0].parameters > plan.memory.stages[1].parameters)
    }

    /// A stage and its mirror image: twice the parameters of a plain pipeline, in 16 bits twice as many bytes.
    @Test func dualPipeHoldsTheParametersTwice() throws {
        let plain = try Self.job { $0.layout.zero = 0 }.plan(CalibrationData.shipped())
        let both = try Self.job {
            $0.layout.zero = 0
            $0.layout.schedule = .dualpipe
        }.plan(CalibrationData.shipped())
        let whole = plain.memory.stages.reduce(0) { $0 + $1.parameters }
        let doubled = both.memory.stages.reduce(0) { $0 + $1.parameters }
        #expect(abs(doubled / whole - 2) < 0.02)
        #expect(both.job.replicas == 8)
        #expect(both.model.groups.dataContext.ranks == 8)
    }

    /// Experts over two nodes: their exchange costs more than half of a 1F1B step; DualPipe hides most of it, and a token that crosses the
    /// network once a node in eight bits costs less still.
    @Test func dualPipeHidesTheExchangeWithExperts() throws {
        func moe(_ change: (inout Job) -> Void) throws -> Job {
            try Self.job("mixtral-8x7b", pipeline: 4, data: 16) {
                $0.layout.expert = 8
                $0.training.globalBatch = 16 * 16
                $0.training.recompute = .full
                $0.cluster.domain = 2
                $0.cluster.gpusPerNode = 2
                change(&$0)
            }
        }
        let plain = try Self.result(moe { _ in })
        let hidden = try Self.result(moe { $0.layout.schedule = .dualpipe })
        let fewer = try Self.result(
            moe {
                $0.layout.schedule = .dualpipe
                $0.layout.expertDispatch.deduplicated = true
                $0.layout.expertDispatch.precision = .fp8
            })
        #expect(hidden.breakdownS[.expertComm] ?? 1 < 0.6 * (plain.breakdownS[.expertComm] ?? 0))
        #expect(hidden.overlappedCommS > 0)
        #expect(fewer.step.timeS.mean <= hidden.step.timeS.mean)
        #expect(fewer.traffic.network < hidden.traffic.network)
    }

    /// Sharded gradients must leave after each of 16 micro-batches: 16 times the bytes of ZeRO-1's one reduction, and a step that is not shorter.
    @Test func zeroTwoReducesEveryMicroBatch() throws {
        let one = try Self.result(Self.job())
        let two = try Self.result(Self.job { $0.layout.zero = 2 })
        // ZeRO-1: a reduction and a gather of 16-bit values; ZeRO-2: 16 reductions and a gather, 17/2 times as much.
        let ratio = (two.traffic.byGroup["data"] ?? 0) / (one.traffic.byGroup["data"] ?? 1)
        #expect(abs(ratio - 8.5) < 0.01, "\(ratio)")
        #expect(two.step.timeS.mean > one.step.timeS.mean)
    }

    /// F0 F0 F1 F1 B1 B1 B0 B0 on two ranks: each chunk is left after its run of two micro-batches.
    @Test func gradientsOfAChunkLeaveAfterItsRun() {
        func list(_ text: String) -> [Instruction] {
            text.split(separator: " ").enumerated().map {
                Instruction($1.first == "F" ? .forward : .backward, $0 % 2, chunk: $1.last == "1" ? 1 : 0)
            }
        }
        let schedule = PipelineSchedule(name: "runs", ranks: [list("F0 F0 F1 F1 B1 B1 B0 B0")], microBatches: 2, chunks: 2)
        #expect(schedule.gradientRuns(rank: 0) == [false, false, false, false, false, true, false, true])
        let plain = PipelineSchedule(name: "plain", ranks: [list("F0 F0 B0 B0")], microBatches: 2)
        #expect(plain.gradientRuns(rank: 0) == [false, false, true, true])
    }

    /// Offloaded optimizer: at least parameters / replicas x gpus of a node x 28 bytes over 43 % of the host's memory rate, and slower than without.
    @Test func offloadedOptimizerTakesTheHostsTime() throws {
        let job = try Self.job(pipeline: 1, data: 8) { $0.layout.offload = .optimizer }
        let host = try #require(job.cluster.host)
        let result = try Self.result(job)
        let least = Double(job.model.parameters.total) / 8 * 8 * 28 / (0.43 * host.memoryBandwidth.bytesPerSecond)
        #expect(abs((result.breakdownS[.optimizer] ?? 0) / least - 1) < 0.02)
        let without = try Self.result(Self.job(pipeline: 1, data: 8))
        #expect(result.step.timeS.mean > without.step.timeS.mean)
        #expect(result.memory.stages[0].optimizer == 0)
        #expect(result.memory.peak < without.memory.peak)
        let drives = try Self.seconds(
            Self.job(pipeline: 1, data: 8) {
                $0.layout.offload = .optimizer
                $0.layout.offloadTarget = .nvme
            })
        #expect(drives > result.step.timeS.mean)
    }

    /// Two GPUs behind one switch get half the link: with the link alone deciding, parameters that are fetched take twice as long.
    @Test func neighboursBehindASwitchShareTheLink() throws {
        func fetched(sharing: Int) throws -> Double {
            try Self.seconds(
                Self.job(pipeline: 1, data: 8) {
                    ($0.layout.offload, $0.layout.zero) = (.parameters, 3)
                    $0.cluster.host?.sharing = sharing
                    let plain = $0.cluster.intraNode.bandwidth
                    $0.cluster.host?.uplink = (try? Bandwidth(baseValue: 2e8)) ?? plain
                    $0.training.globalBatch = 8
                })
        }
        let (alone, shared) = (try fetched(sharing: 1), try fetched(sharing: 2))
        #expect(shared > 1.5 * alone && shared < 2.01 * alone, "\(alone) and \(shared) s")
    }

    /// Selective recomputation under fused attention has nothing to do: same time and same memory as none.
    @Test func selectiveUnderFusedAttentionIsNone() throws {
        let none = try Self.result(Self.job())
        let selective = try Self.result(Self.job { $0.training.recompute = .selective })
        #expect(none.step.timeS.mean == selective.step.timeS.mean)
        #expect(none.memory == selective.memory)
        // What is freed is paid for: dropped norm outputs cost time.
        let modules = try Self.result(Self.job { $0.training.recompute = .modules([.norms, .activation]) })
        #expect(modules.memory.peak < none.memory.peak)
        #expect(modules.step.timeS.mean > none.step.timeS.mean)
    }

    /// Half as many layers in memory and time for the half that is recomputed: the least count that fits, and one fewer does not.
    @Test func automaticRecomputationIsTheLeastThatFits() throws {
        let job = try Self.job("llama2-13b", pipeline: 2, data: 1) {
            $0.layout.zero = 0
            $0.cluster.gpus = 2
            $0.training.globalBatch = 8
            $0.training.microBatch = 2
            $0.training.sequence = 4096
            $0.training.recompute = .auto
            $0.cluster.accelerator.memory = Bytes(200_000_000_000)
        }
        // Room between none and full recomputation.
        func peak(_ recompute: Recompute) throws -> Double {
            var own = job
            own.training.recompute = recompute
            return try own.plan(CalibrationData.shipped()).memory.stages[0].total
        }
        var tight = job
        tight.cluster.accelerator.memory = Bytes(Int64((try peak(.none) + peak(.full)) / 2))
        let plan = try tight.plan(CalibrationData.shipped())
        guard case .perRank(let counts) = plan.job.training.recompute else {
            Issue.record("nothing is recomputed")
            return
        }
        #expect(plan.memory.fits)
        #expect(counts[0] > 0 && counts[0] < 20)
        var less = tight
        less.training.recompute = .perRank(counts.map { max(0, $0 - 1) })
        #expect(try !less.plan(CalibrationData.shipped()).memory.keepsMargin)
    }

    /// Uniform stages of 8 layers, but the last has the head too: dealt by time it gets fewer, and the step is shorter.
    @Test func layersDealtByTimeMakeRoomForTheHead() throws {
        let even = try Self.job("llama3-8b", pipeline: 8, data: 1) { $0.layout.stageLayers = Array(repeating: 4, count: 8) }
        let byTime = try Self.job("llama3-8b", pipeline: 8, data: 1) { $0.layout.stageDeal = .time }
        let plan = try byTime.plan(CalibrationData.shipped())
        #expect(plan.work.stageLayers.reduce(0, +) == 32)
        #expect(plan.work.stageLayers[7] < 4)
        #expect(try Self.seconds(byTime) <= Self.seconds(even))
        let byMemory = try Self.job("llama3-8b", pipeline: 8, data: 1) { $0.layout.stageDeal = .memory }
        #expect(try byMemory.plan(CalibrationData.shipped()).memory.peak <= even.plan(CalibrationData.shipped()).memory.peak)
    }

    /// A ring over contiguous tokens goes at the pace of the last rank: with 4 ranks 7/4 of the balanced attention.
    @Test func contiguousContextIsSlower() throws {
        func with(_ change: (inout Layout) -> Void) throws -> Double {
            try Self.seconds(
                Self.job(pipeline: 1, data: 8) {
                    $0.layout.context = 4
                    $0.training.sequence = 16384
                    $0.model.positions = .rotary
                    $0.training.recompute = .full
                    change(&$0.layout)
                })
        }
        let ring = try with { _ in }
        let heads = try with { $0.contextExchange = .allToAll }
        let contiguous = try with { $0.contextOrder = .contiguous }
        #expect(contiguous > 1.1 * ring)
        #expect(heads < contiguous)
    }

    /// H100 and A100 of like numbers: an A100 does a micro-batch in more than twice the time, so it takes fewer; together they are faster than
    /// at the A100s' pace with equal shares.
    @Test func replicasOfSlowerPoolsTakeLess() throws {
        let job = try Self.pooled(pipeline: 1)
        let plan = try job.plan(CalibrationData.shipped())
        let shares = plan.job.layout.batchShares
        #expect(shares[0] * 8 + shares[1] * 8 == 8 * 40)
        #expect(shares[0] > shares[1])
        #expect(plan.memory.capacities?.count == 2)
        let result = try simulate(plan)
        var equal = job
        equal.layout.batchShares = [20, 20]
        equal.layout.pacingPool = 1
        equal.cluster = job.cluster.seen(from: job.cluster.pools[1])
        #expect(result.step.timeS.mean < (try Self.seconds(equal)))
    }

    /// As pipeline ranks the pools get layers by their speed: the first two stages stand on H100.
    @Test func stagesOfSlowerPoolsGetFewerLayers() throws {
        let plan = try Self.pooled(pipeline: 4).plan(CalibrationData.shipped())
        let layers = plan.work.stageLayers
        #expect(layers.reduce(0, +) == 32)
        #expect(min(layers[0], layers[1]) > max(layers[2], layers[3]), "\(layers)")
        let times = plan.costs.stages.map { $0.forward.total + $0.backward.total + $0.weight.total }
        let (least, most) = (times.min() ?? 0, times.max() ?? 1)
        #expect(least / most > 0.75, "\(times)")
    }

    static func pooled(pipeline: Int) throws -> Job {
        try job("llama2-7b", pipeline: pipeline, data: 16 / pipeline) {
            $0.training.globalBatch = 8 * 40
            let a100 = try? Catalogue.accelerator(named: "a100-sxm-80gb")
            let link = try? Catalogue.link(named: "nvlink3")
            guard let a100, let link else { return }
            $0.cluster.pools = [
                GPUPool(accelerator: $0.cluster.accelerator, gpus: 8, intraNode: $0.cluster.intraNode),
                GPUPool(accelerator: a100, gpus: 8, intraNode: link),
            ]
        }
    }

    /// A grid of 2 x 2: the same FLOPs a GPU as four in a row, and blocks that move along rows and columns instead of all-reduces.
    @Test func gridsComputeTheSameAndMoveBlocks() throws {
        func grid(_ algorithm: Layout.TensorAlgorithm, depth: Int = 1) throws -> SimulatedStep {
            try Self.result(
                Self.job("llama2-7b", tensor: 4 * depth, pipeline: 1, data: 2) {
                    $0.layout.tensorAlgorithm = algorithm
                    $0.layout.tensorDepth = depth
                    $0.training.microBatch = 4
                    $0.training.globalBatch = 16
                    $0.training.recompute = .full
                })
        }
        let (row, plane) = (try grid(.oneD), try grid(.twoD))
        #expect(plane.traffic.byGroup["tensor"] ?? 0 > 0)
        // States do not depend on the shape of the cut; activations do: a row of four keeps the residual stream whole.
        #expect(plane.memory.stages[0].activations < row.memory.stages[0].activations)
        let deep = try grid(.twoAndHalfD, depth: 2)
        #expect(deep.step.timeS.mean > 0)
    }
}
