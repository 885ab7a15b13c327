import Calibration
import Cluster
import Workload

/// A collective with how often it runs in a step, counted over the pipeline ranks of a replica.
public struct RepeatedTraffic: Sendable, Hashable {
    public var traffic: GroupTraffic
    public var times: Double
}

/// What a step sends between two pipeline ranks.
public struct HopCount: Sendable, Hashable {
    public var from: Int
    public var to: Int
    public var times: Int
}

extension Plan {
    /// Which rank is on which GPU.
    /// - Throws: `PlacementError` as planning does.
    public func placement() throws(PlacementError) -> Placement { try Placement(job.deployment.degrees, job.cluster) }

    /// Calibrated shares of their nominal rate that links reach under steady traffic.
    public var reachedShares: (inside: Double, network: Double) { model.collectives.reachedShares(model.efficiency) }

    /// Bytes that a GPU sends to its counterpart of a neighbouring stage.
    public var hopBytes: Double { job.hopBytes }

    private var passes: PassTraffic { PassTraffic(job: job, work: work, model: model) }

    /// The collectives inside a pass of a virtual stage, equal kinds added up; what the backward pass computes again moves its traffic again.
    public func collectives(of stage: Int, forward: Bool) -> [GroupTraffic] { passes.collectives(of: stage, forward: forward) }

    /// The same of one unit (an index into `work.units`), where layers are gathered and computed one by one.
    public func collectives(ofUnit unit: Int, forward: Bool) -> [GroupTraffic] {
        passes.collectives(ofUnit: unit, forward: forward)
    }

    // MARK: collectives of a step

    /// The collectives that gather these parameters and reduce their gradients.
    public func dataCollectives(of parameters: StageWork.LocalParameters) -> DataCollectives {
        DataCollectives(of: parameters, model: model, compression: job.training.compression)
    }

    /// Every collective of a step.
    public var stepCollectives: [RepeatedTraffic] {
        let micro = Double(schedule.microBatches)
        var list: [RepeatedTraffic] = []
        func add(_ traffic: [GroupTraffic], _ times: Double) {
            for one in traffic where times > 0 { list.append(RepeatedTraffic(traffic: one, times: times)) }
        }
        for stage in work.stages.indices {
            for forward in [true, false] {
                if flow.gathersByUnit {
                    for unit in work.stages[stage] { add(collectives(ofUnit: unit, forward: forward), micro) }
                } else {
                    add(collectives(of: stage, forward: forward), micro)
                }
            }
        }
        guard flow.hasReplicas else { return list }
        for stage in schedule.virtualStage.joined() {
            let parameters = flow.gathersByUnit ? work.stages[stage].map { work.unitParameters[$0] } : [work.parameters[stage]]
            for own in parameters {
                let collectives = dataCollectives(of: own)
                add(collectives.gather, Double(gathers))
                add(collectives.reduce, Double(reductions[stage]))
            }
        }
        return list
    }

    /// Sends of a step between pipeline ranks, in ascending order; chunks that follow each other on one rank send nothing.
    public var hops: [HopCount] {
        let map = StageMap(schedule)
        let ranks = schedule.ranks.count
        var counts = [Int](repeating: 0, count: ranks * ranks)
        for (rank, list) in schedule.ranks.enumerated() {
            for instruction in list {
                guard let transfer = map.transfer(of: instruction, rank: rank, sent: true) else { continue }
                counts[rank * ranks + transfer.toRank] += 1
            }
        }
        return counts.indices.filter { counts[$0] > 0 }.map { HopCount(from: $0 / ranks, to: $0 % ranks, times: counts[$0]) }
    }

    /// Bytes that a GPU sends in a step by group, mean over the GPUs, over links inside its domain and over the network.
    /// - Throws: `PlacementError` as planning does.
    public func sentBytes() throws(PlacementError) -> [TrafficGroup: (inside: Double, network: Double)] {
        let ranks = Double(max(1, schedule.ranks.count))
        var sums: [TrafficGroup: (inside: Double, network: Double)] = [:]
        func add(_ group: TrafficGroup, _ inside: Double, _ network: Double) {
            let known = sums[group] ?? (0, 0)
            sums[group] = (known.inside + inside / ranks, known.network + network / ranks)
        }
        for one in stepCollectives {
            let sent = model.sent(one.traffic)
            add(one.traffic.group, sent.inside * one.times, sent.network * one.times)
        }
        let placement = try placement()
        for hop in hops {
            let bytes = hopBytes * Double(hop.times)
            let crossing = placement.crossing(from: hop.from, to: hop.to)
            add(.pipeline, bytes * (1 - crossing), bytes * crossing)
        }
        return sums
    }
}

/// The collectives inside the passes of a step.
public struct PassTraffic: Sendable {
    public let job: Job
    public let work: StageWork
    public let model: CostModel
    private let recomputation: Recomputation

    public init(job: Job, work: StageWork, model: CostModel) {
        (self.job, self.work, self.model) = (job, work, model)
        recomputation = Recomputation(job.training.recompute, model: model)
    }

    /// Those of a virtual stage, equal kinds added up; what the backward pass computes again moves its traffic again.
    public func collectives(of stage: Int, forward: Bool) -> [GroupTraffic] {
        var repeated = work.fullLayers(job)[stage]
        let units = work.stages[stage].map { unit in
            guard work.isLayer(unit), repeated > 0 else { return (unit, false) }
            repeated -= 1
            return (unit, true)
        }
        return collectives(of: units, forward: forward)
    }

    /// The same of one unit (an index into `work.units`), where layers are gathered and computed one by one.
    public func collectives(ofUnit unit: Int, forward: Bool) -> [GroupTraffic] {
        collectives(of: [(unit, work.isLayer(unit) && work.fullLayers(job).contains { $0 > 0 })], forward: forward)
    }

    private func collectives(of units: [(unit: Int, isFull: Bool)], forward: Bool) -> [GroupTraffic] {
        var list: [GroupTraffic] = []
        for (unit, isFull) in units {
            for op in work.ops[unit] {
                guard case .communication(let communication) = op.work else { continue }
                let isForward = op.pass == .forward
                guard forward == isForward || isForward && recomputation.repeats(op, full: isFull) else { continue }
                var traffic = model.traffic(of: communication)
                if forward {
                    traffic.bytes *= Double(1 + job.training.passes.count)
                    traffic.seconds *= Double(1 + job.training.passes.count)
                }
                list.append(traffic)
            }
        }
        return GroupTraffic.merged(list.filter { $0.bytes > 0 && $0.seconds > 0 })
    }
}
