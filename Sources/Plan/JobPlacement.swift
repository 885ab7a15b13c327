import Calibration
import Cluster
import Quantities

extension Job {
    /// Plans the job packed, searches the placement of least expected time for what its groups send then, and plans it so.
    /// - Throws: `Faults` as `plan`.
    func planSearched(_ data: CalibrationData) throws(Faults) -> Plan {
        var job = self
        job.cluster.placement = .packed
        let packed = try job.plan(data)
        let loads = packed.groupLoads
        do throws(PlacementError) {
            let found = try Placement.searched(job.deployment.degrees, cluster, loads: loads)
            guard found.placement.order != .packed else { return packed }
            job.cluster.placement = found.placement.rule
        } catch {
            throw Faults([.init(keyPath: "cluster.placement", reason: "\(error)", suggestion: "write cluster.placement: packed")])
        }
        return try job.plan(data)
    }
}

extension Plan {
    /// What the groups of a rank send in a step, mean over the pipeline's stages: each kind of group and operation once, with the bytes of all its calls
    /// and how many there are. Hybrid shard groups count as the whole group that they cut.
    var groupLoads: [GroupLoad] {
        var sums: [(kind: ParallelKind, op: CollectiveOp, bytes: Double, calls: Double)] = []
        for one in stepCollectives where one.traffic.bytes > 0 {
            let (kind, bytes) = (one.traffic.members.kind, one.times * one.traffic.bytes)
            if let known = sums.firstIndex(where: { $0.kind == kind && $0.op == one.traffic.operation }) {
                sums[known].bytes += bytes
                sums[known].calls += one.times
            } else {
                sums.append((kind, one.traffic.operation, bytes, one.times))
            }
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
