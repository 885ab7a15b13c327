import CoSimulation
import Cluster
import Compression
import Plan
import Quantities
import Scenario
import Simulation

/// The clock that a target job gives to a co-simulation: what one replica's gradient takes, what messages between replicas take, what a second costs.
///
/// The job's step is played twice, as it is and without compression. What is left of the plain step when the exposed exchange of gradients, the
/// optimizer and the waiting for others are taken out is a replica's own gradient. An exchange that nothing hides is the cost model's time of its
/// collectives; a synchronous step hides as much of it as the played step did.
public struct TargetClock: Sendable {
    public var clock: WorkerClock
    /// Of uncompressed training.
    public var plain: WorkerClock
    public var wire: WireScale
    /// Of the job's own synchronous step, seconds, and what it costs with all GPUs.
    public var stepSeconds: Double
    /// Trained in one such step, over all replicas.
    public var tokensPerStep: Double
    public var remarks: [String] = []
}

extension Study {
    /// - Throws: `ScenarioErrors` where the job cannot be planned, played or billed.
    func targetClock(_ request: CosimRequest, _ scenario: Scenario) throws(ScenarioErrors) -> TargetClock {
        var healthy = scenario
        healthy.conditions = Conditions()
        healthy.settings.timeline = false
        healthy.job.training.length = .oneStep
        var uncompressed = healthy
        if healthy.job.training.compression != nil { healthy.job.precision.reduce = nil }
        uncompressed.job.training.compression = nil
        let whole = try run(healthy)
        let bare = scenario.job.training.compression == nil ? whole : try run(uncompressed)
        return try scenario.locatingFaults {
            let plan = try uncompressed.job.plan(data)
            let messages = TargetMessages(plan)
            var target = TargetClock(
                clock: WorkerClock(), plain: WorkerClock(),
                wire: WireScale(elements: messages.elements, bytesPerElement: messages.bytesPerElement),
                stepSeconds: whole.result.step.timeS.mean,
                tokensPerStep: Double(plan.job.training.globalBatch) * Double(max(1, plan.job.training.sequence)))
            var clock = WorkerClock()
            func seconds(_ answer: RunAnswer, _ activity: Activity) -> Double { answer.result.breakdownS[activity] ?? 0 }
            let compute =
                bare.result.step.timeS.mean - seconds(bare, .dataComm) - seconds(bare, .optimizer) - seconds(bare, .inputStall)
                - seconds(bare, .stragglerWait)
            clock.service = Service(.constant, mean: max(0, compute))
            if scenario.conditions.kernelJitter > 0 {
                clock.service = try jittered(clock.service, scenario)
                target.remarks.append(
                    "conditions.jitter: a replica's gradient varies by \(significant(100 * clock.service.spread)) %, as steps of one replica alone do"
                )
            }
            if let moe = uncompressed.job.model.moe, request.spec.proxy.hasExperts, moe.imbalance < Double(moe.experts) {
                // The measured load takes the place of the stated one: its products and its part of the all-to-all, as the cost model has them.
                var fuller = uncompressed
                fuller.job.model.moe?.imbalance = min(Double(moe.experts), moe.imbalance + 1)
                let more = min(Double(moe.experts), moe.imbalance + 1) - moe.imbalance
                clock.experts = (max(0, try run(fuller).result.step.timeS.mean - bare.result.step.timeS.mean) / more, moe.imbalance)
            }
            clock.update = seconds(bare, .optimizer)
            clock.stall = seconds(bare, .inputStall)
            // A codec's kernels run with the optimizer.
            clock.encode = max(0, seconds(whole, .optimizer) - seconds(bare, .optimizer))
            clock.exchange = { method, bytes, workers in messages.exchange(method, bytes: bytes, workers: workers) }
            clock.groupExchange = { bytes, members in messages.exchange(.allReduce, bytes: bytes, workers: members) }
            clock.transfer = { bytes in messages.transfer(bytes) }
            let rate = whole.run.wallClockS > 0 ? 1 / whole.run.wallClockS : 0
            clock.usdPerSecond = whole.bill.totalUSD * rate
            clock.watts = whole.bill.energyKWh * 3.6e6 * rate
            target.plain = clock
            target.plain.encode = 0
            target.plain.hidden = max(
                0, messages.exchange(.allReduce, bytes: messages.plainBytes, workers: plan.job.data) - seconds(bare, .dataComm))
            let codec = request.spec.codec
            let message = try? target.wire.messageBytes(codec)
            let full = messages.exchange(codec?.exchange ?? .allReduce, bytes: message ?? messages.plainBytes, workers: plan.job.data)
            clock.hidden = max(0, full - seconds(whole, .dataComm))
            target.clock = clock
            return target
        }
    }

    /// The spread of a replica's steps under the scenario's jitter, from fifty steps of a job that has only one.
    private func jittered(_ service: Service, _ scenario: Scenario) throws -> Service {
        var one = scenario
        one.conditions = Conditions()
        one.conditions.kernelJitter = scenario.conditions.kernelJitter
        one.settings.samples = 50
        one.settings.timeline = false
        let replicas = max(1, scenario.job.data)
        one.job.layout.data = 1
        one.job.layout.zero = 0
        one.job.training.compression = nil
        one.job.training.globalBatch = max(1, scenario.job.training.globalBatch / replicas)
        one.job.cluster.gpus = max(1, scenario.job.cluster.gpus / replicas)
        guard let plan = try? one.job.plan(data), let step = try? simulate(plan, conditions: one.conditions, settings: one.settings) else {
            return service
        }
        let times = step.stepTimesS
        let mean = times.reduce(0, +) / Double(max(1, times.count))
        let square = times.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(1, times.count - 1))
        return mean > 0 ? Service(.lognormal(square.squareRoot() / mean), mean: service.mean) : service
    }
}

extension Service {
    /// Coefficient of variation.
    var spread: Double {
        switch shape {
        case .constant: 0
        case .exponential: 1
        case .gamma(let k): 1 / k.squareRoot()
        case .lognormal(let cv): cv
        }
    }
}

/// Times of messages between the replicas of a plan, alone on their links. Every rank of a replica carries its own part.
struct TargetMessages: Sendable {
    private let model: CollectiveModel
    private let group: GroupShape
    /// Largest part of the gradient that one rank carries.
    private let share: Double
    let elements: Int
    let bytesPerElement: Double
    var plainBytes: Double { Double(elements) * bytesPerElement }

    init(_ plan: Plan) {
        let job = plan.job
        model = plan.model.collectives
        group = plan.model.groups.dataContext
        var byRank: [Double] = []
        for rank in plan.schedule.ranks.indices {
            byRank.append(plan.ownStages(of: rank).reduce(0) { $0 + plan.work.parameters[$1].total })
        }
        // `parameters` are those of one tensor rank.
        let total = byRank.reduce(0, +) * Double(max(1, job.layout.tensor))
        elements = Int(max(1, total))
        share = total > 0 ? (byRank.max() ?? total) / total : 1
        bytesPerElement = plan.model.behaviour.reduceBytes
    }

    private func shape(_ workers: Int) -> GroupShape {
        var shape = group
        shape.ranks = workers
        // Fewer workers than replicas are spread over the machines as the replicas are.
        let density = min(1, Double(workers) / Double(max(1, group.ranks)))
        shape.perDomain = max(1, min(workers, Int(Double(group.perDomain) * density)))
        return shape
    }

    func exchange(_ method: ExchangeMethod, bytes: Double, workers: Int) -> Double {
        guard workers > 1, bytes > 0 else { return 0 }
        let (own, shape) = (bytes * share, shape(workers))
        switch method {
        case .allReduce: return model.seconds(.allReduce, bytes: own, group: shape)
        case .scatterAndGather:
            return model.seconds(.allToAll, bytes: own, group: shape) + model.seconds(.allGather, bytes: own, group: shape)
        case .gather: return model.seconds(.allGather, bytes: own * Double(workers), group: shape)
        }
    }

    /// Between a replica and parameters that are spread over all of them.
    func transfer(_ bytes: Double) -> Double {
        guard group.ranks > 1 else { return 0 }
        return model.seconds(.sendReceive, bytes: bytes * share, group: group)
    }
}
