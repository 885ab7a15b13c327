import Calibration
import Cluster
import Quantities

/// Clusters of several kinds of GPU. Ranks fill the pools in their order, pipeline outermost, so either whole pipeline ranks stand in a pool
/// (layers are dealt by time) or, without a pipeline, whole replicas (micro-batches are dealt by time).
extension Job {
    /// The cluster as each pool sees it, [pools].
    var poolClusters: [ClusterSpec] { cluster.pools.map { cluster.seen(from: $0) } }

    /// The pool in which a pipeline rank stands.
    func pool(ofRank rank: Int) -> Int {
        let perRank = max(1, cluster.gpus / max(1, layout.pipeline))
        var end = 0
        for (index, pool) in cluster.pools.enumerated() {
            end += pool.gpus
            if (rank + 1) * perRank <= end { return index }
        }
        return max(0, cluster.pools.count - 1)
    }

    /// Replicas in each pool, [pools].
    var poolReplicas: [Int] { cluster.pools.map { $0.gpus / max(1, layout.tensor * layout.context * layout.pipeline) } }

    /// The plan of the pool that is done last, when every replica takes the micro-batches with which the slowest is done earliest.
    ///
    /// A synchronous step waits for its slowest replica before the gradients are reduced, so that pool's own plan is the step.
    /// - Throws: `Faults` as `plan`, and where the batch cannot be dealt.
    func planShares(_ data: CalibrationData) throws(Faults) -> Plan {
        let replicas = poolReplicas
        let total = training.globalBatch / max(1, training.microBatch)
        var seconds: [Double] = []
        for index in cluster.pools.indices {
            let own = try share(index, shares: cluster.pools.map { _ in 1 }).plan(data)
            seconds.append(own.costs.stages.reduce(0) { $0 + $1.forward.total + $1.backward.total + $1.weight.total })
        }
        guard let shares = BatchShares.best(replicas: replicas, seconds: seconds, total: total) else {
            throw Faults([
                .init(
                    keyPath: "training.global_batch",
                    reason:
                        "\(total) micro-batches cannot be dealt over pools of \(replicas.map(String.init).joined(separator: " and ")) replicas, all of a pool alike",
                    suggestion:
                        "choose a multiple of micro_batch x \(replicas.reduce(0, +)) = \(training.microBatch * replicas.reduce(0, +))")
            ])
        }
        let pace = shares.indices.max { Double(shares[$0]) * seconds[$0] < Double(shares[$1]) * seconds[$1] } ?? 0
        let plan = try share(pace, shares: shares).plan(data)
        return plan.noting(
            shares: shares, memory: try shares.indices.map { index throws(Faults) in try share(index, shares: shares).plan(data) })
    }

    private func share(_ pool: Int, shares: [Int]) -> Job {
        var own = self
        own.cluster = cluster.seen(from: cluster.pools[pool])
        own.layout.batchShares = shares
        own.layout.pacingPool = pool
        own.layout.data = data
        return own
    }
}

extension Plan {
    /// The same plan with the memory of all pools and a remark on who takes how much.
    fileprivate func noting(shares: [Int], memory plans: [Plan]) -> Plan {
        let pools = job.cluster.pools
        let text = pools.indices.map { "\(pools[$0].gpus) x \(pools[$0].accelerator.name): \(shares[$0])" }.joined(separator: ", ")
        var estimate = MemoryEstimate(stages: plans.flatMap(\.memory.stages), capacity: plans.map(\.memory.capacity).max() ?? 0)
        estimate.capacities = plans.flatMap { plan in plan.memory.stages.map { _ in plan.memory.capacities?.first ?? plan.memory.capacity }
        }
        return Plan(
            job: job, behaviour: behaviour, profile: profile, model: model, work: work, costs: costs, schedule: schedule, memory: estimate,
            flow: flow, pieces: pieces, reductions: reductions,
            warnings: warnings + [
                "cluster.pools: micro-batches of a replica are \(text); the step goes at the pace of \(job.cluster.accelerator.name)"
            ], expectedError: expectedError, reasons: reasons)
    }
}

/// Micro-batches dealt over pools of replicas.
enum BatchShares {
    /// Micro-batches of a replica in each pool, one at least, so that the slowest pool is done earliest; nil where they cannot make up the total.
    ///
    /// Exact, by dynamic programming over what the first pools take: O(pools x total^2 / replicas) in units of the replicas' common divisor.
    /// - Parameters:
    ///   - replicas: of each pool, [pools]
    ///   - seconds: of a micro-batch on a replica, [pools]
    ///   - total: micro-batches of all replicas together
    static func best(replicas: [Int], seconds: [Double], total: Int) -> [Int]? {
        guard !replicas.isEmpty, replicas.count == seconds.count, replicas.allSatisfy({ $0 > 0 }), total > 0 else { return nil }
        func divisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : divisor(b, a % b) }
        let unit = replicas.reduce(0, divisor)
        guard total % unit == 0 else { return nil }
        let whole = total / unit
        let sizes = replicas.map { $0 / unit }
        var best = [Double](repeating: .infinity, count: whole + 1)
        best[0] = 0
        var choice: [[Int]] = []
        for (size, time) in zip(sizes, seconds) {
            var next = [Double](repeating: .infinity, count: whole + 1)
            var taken = [Int](repeating: 0, count: whole + 1)
            for end in stride(from: size, through: whole, by: 1) {
                for count in 1...(end / size) where best[end - count * size] < .infinity {
                    let most = max(best[end - count * size], Double(count) * time)
                    if most < next[end] { (next[end], taken[end]) = (most, count) }
                }
            }
            best = next
            choice.append(taken)
        }
        guard best[whole] < .infinity else { return nil }
        var shares: [Int] = []
        var end = whole
        for (pool, taken) in choice.enumerated().reversed() {
            shares.append(taken[end])
            end -= taken[end] * sizes[pool]
        }
        return shares.reversed()
    }
}
