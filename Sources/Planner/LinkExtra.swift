import Plan
import Simulation

/// Seconds that the links between switches add to what the closed form says, at least, where a step is played as flows; empty where they are not.
struct LinkExtra {
    /// [virtual stages] of a micro-batch's passes, and of the collectives of a stage's parameters.
    private(set) var forward: [Double] = []
    private(set) var backward: [Double] = []
    private(set) var gather: [Double] = []
    private(set) var reduce: [Double] = []
    /// [units] the same, where layers are gathered one by one.
    private(set) var unitForward: [Double] = []
    private(set) var unitBackward: [Double] = []
    private(set) var unitGather: [Double] = []
    private(set) var unitReduce: [Double] = []
    private(set) var hop = 0.0
    /// Whether the step is played as flows, so that collectives of one rank may be slowed more than those of another.
    private(set) var isPlayed = false

    static let none = LinkExtra()
    private init() {}

    /// What is played takes the seconds of the closed form, slowed where others run beside it, or what the links need: what these need on top of the
    /// slowest that the closed form can be is extra in any case.
    init(_ floor: inout LinkFloor, costs: StageCosts, traffic: PassTraffic, byUnit: Bool) {
        isPlayed = true
        let (job, work, model) = (traffic.job, traffic.work, traffic.model)
        // Both directions of DualPipe hold a stage, and what one moves hides behind the other.
        guard job.layout.pipeline == 1 || job.layout.schedule != .dualpipe && job.layout.schedule != .dualpipeV else { return }
        // Ranks of a pipeline stand differently on the network, and a unit is on many of them.
        if byUnit, job.layout.pipeline > 1 { return }
        var flows: [LinkFloor.Flow] = []
        var places: [(list: WritableKeyPath<LinkExtra, [Double]>, at: Int, slack: Double)] = []
        let slack = (1 + max(costs.overlapSlowdown, costs.shardedSlowdown)) * max(1, model.constants[.degradation])
        var isDense = false
        func add(
            _ list: WritableKeyPath<LinkExtra, [Double]>, _ at: Int, _ traffic: [GroupTraffic], rank: Int, slack: Double,
            within total: Double?
        ) {
            if let total, traffic.reduce(0, { $0 + $1.seconds }) > total { isDense = true }
            for one in traffic {
                flows.append(.collective(one, rank: rank))
                places.append((list, at, slack))
            }
        }
        for stage in work.stages.indices {
            let rank = job.pipelineRank(of: stage)
            if byUnit {
                for unit in Set(work.stages[stage]).sorted() {
                    let passes = costs.units[unit]
                    add(
                        \.unitForward, unit, traffic.collectives(ofUnit: unit, forward: true), rank: rank, slack: slack,
                        within: passes.forward.total)
                    add(
                        \.unitBackward, unit, traffic.collectives(ofUnit: unit, forward: false), rank: rank, slack: slack,
                        within: passes.backward.total + passes.weight.total)
                    let data = DataCollectives(of: work.unitParameters[unit], model: model, compression: job.training.compression)
                    add(\.unitGather, unit, data.gather, rank: rank, slack: 1, within: nil)
                    add(\.unitReduce, unit, data.reduce, rank: rank, slack: 1, within: nil)
                }
                continue
            }
            let passes = costs.stages[stage]
            add(
                \.forward, stage, traffic.collectives(of: stage, forward: true), rank: rank, slack: slack,
                within: passes.forward.total)
            add(
                \.backward, stage, traffic.collectives(of: stage, forward: false), rank: rank, slack: slack,
                within: passes.backward.total)
            // Tensors that are reduced one by one are not these.
            guard job.layout.bucketing == .fixed else { continue }
            let data = DataCollectives(of: work.parameters[stage], model: model, compression: job.training.compression)
            add(\.gather, stage, data.gather, rank: rank, slack: 1, within: nil)
            add(\.reduce, stage, data.reduce, rank: rank, slack: 1, within: nil)
        }
        let hops = job.layout.pipeline > 1 && costs.hop > 0 ? (0..<job.layout.pipeline - 1).map { $0 } : []
        for from in hops { flows.append(.hop(from: from, to: from + 1, bytes: job.hopBytes, seconds: costs.hop)) }
        forward = Array(repeating: 0, count: work.stages.count)
        (backward, gather, reduce) = (forward, forward, forward)
        unitForward = Array(repeating: 0, count: work.units.count)
        (unitBackward, unitGather, unitReduce) = (unitForward, unitForward, unitForward)
        let least = floor.seconds(of: flows, isDense: isDense)
        for (index, place) in places.enumerated() {
            guard case .collective(let traffic, _) = flows[index] else { continue }
            self[keyPath: place.list][place.at] += max(0, least[index] - traffic.seconds * place.slack)
        }
        // One number stands for all hops, so the fastest counts.
        if !hops.isEmpty { hop = max(0, (least.suffix(hops.count).min() ?? 0) - costs.hop) }
    }
}

extension [Double] {
    /// 0 where the list is empty.
    func extra(_ index: Int) -> Double { indices.contains(index) ? self[index] : 0 }
}
