import Calibration
import Cluster

extension Job {
    /// In how many parts the job is cut.
    var degrees: ParallelDegrees {
        ParallelDegrees(
            tensor: layout.tensor, context: layout.context, expert: layout.expert, expertTensor: layout.expertTensor, data: data,
            pipeline: layout.pipeline)
    }

    /// Plans the job packed, searches the placement of least expected time for what its groups send then, and plans it so.
    /// - Throws: `PlanError` as `plan`.
    func planSearched(_ data: CalibrationData) throws(PlanError) -> Plan {
        var job = self
        job.cluster.placement = .packed
        let packed = try job.plan(data)
        let loads = packed.groupLoads
        do throws(PlacementError) {
            let found = try Placement.searched(job.degrees, cluster, loads: loads)
            guard found.placement.order != .packed else { return packed }
            job.cluster.placement = found.placement.rule
        } catch {
            throw PlanError([.init(keyPath: "cluster.placement", reason: "\(error)", suggestion: "write cluster.placement: packed")])
        }
        return try job.plan(data)
    }
}

extension Plan {
    /// What the groups of a rank send in a step, mean over the pipeline's stages: each kind of group and operation once, with the bytes of all its calls
    /// and how many there are. Hybrid shard groups count as the whole group that they cut.
    var groupLoads: [GroupLoad] {
        var sums: [(kind: ParallelKind, op: CollectiveOp, bytes: Double, calls: Double)] = []
        func add(_ list: [GroupTraffic], calls: Double) {
            for one in list where one.bytes > 0 {
                let kind =
                    switch one.members {
                    case .group(let kind), .parts(let kind, _), .across(let kind, _): kind
                    }
                if let known = sums.firstIndex(where: { $0.kind == kind && $0.op == one.operation }) {
                    sums[known].bytes += calls * one.bytes
                    sums[known].calls += calls
                } else {
                    sums.append((kind, one.operation, calls * one.bytes, calls))
                }
            }
        }
        let micro = Double(max(1, job.microBatches))
        for unit in work.stages.joined() {
            for forward in [true, false] { add(collectives(of: [unit], forward: forward), calls: micro) }
        }
        for parameters in work.parameters {
            let isGathered = gathersByUnit || job.layout.zero >= 1
            if isGathered { add(dataCollectives(of: parameters, reducing: false), calls: gathersAgain ? 2 * micro : 1) }
            if hasReplicas { add(dataCollectives(of: parameters, reducing: true), calls: 1) }
        }
        let ranks = Double(max(1, schedule.ranks.count))
        var loads = sums.map { GroupLoad($0.kind, $0.op, bytes: $0.bytes / $0.calls, calls: $0.calls / ranks) }
        if job.layout.pipeline > 1 {
            // Sends run beside computing; what nothing hides are those of the first micro-batch on its way down and of the last one's gradients back.
            loads.append(GroupLoad(.pipeline, .sendReceive, bytes: hopBytes, calls: Double(2 * max(1, work.stages.count - 1))))
        }
        return loads
    }
}
