import Cluster
import Quantities

/// Dealing layers over virtual stages by what they cost.
extension Job {
    /// The deal with the shortest slowest stage, embedding, prediction modules and head counted; where ranks stand in pools of different speed, in
    /// the time of each one's own pool.
    ///
    /// Exact by dynamic programming over prefixes, O(layers^2 x stages), for stages that each hold a layer at least.
    /// - Parameter models: one, or one a pool.
    func layersByTime(_ shape: PipelineShape, models: [CostModel]) throws(ScheduleError) -> [Int] {
        let work = StageWork(job: self, stageLayers: [model.layers])
        var times: [(layers: [Double], first: Double, last: Double)] = []
        for costModel in models {
            let units = StageCosts(work: work, training: training, model: costModel).units.map {
                $0.forward.total + $0.backward.total + $0.weight.total
            }
            var own: (layers: [Double], first: Double, last: Double) = ([], 0, 0)
            for unit in work.stages[0] {
                switch work.units[unit] {
                case .embedding: own.first += units[unit]
                case .layer: own.layers.append(units[unit])
                case .prediction, .head: own.last += units[unit]
                }
            }
            times.append(own)
        }
        guard let only = times.first else { throw ScheduleError("stage balance: there is nothing to time") }
        if times.count == 1 {
            return try StageBalance.balanced(by: only.layers, stages: shape.virtualStages, first: only.first, last: only.last)
        }
        return try StageBalance.balanced(
            stages: (0..<shape.virtualStages).map { stage in
                let own = times[min(pool(ofRank: shape.rank(of: stage)), times.count - 1)]
                return StageBalance.StageTimes(
                    layers: own.layers, extra: (stage == 0 ? own.first : 0) + (stage == shape.virtualStages - 1 ? own.last : 0))
            })
    }

    /// The deal whose fullest rank holds least, found by moving layers away from it as long as that helps.
    func layersByMemory(_ shape: PipelineShape) throws(ScheduleError) -> [Int] {
        var dealt = try StageBalance.remainder.layers(model.layers, stages: shape.virtualStages)
        func bytes(_ deal: [Int]) -> [Double] {
            var placement = StagePlacement(job: self)
            placement.layers = placement.virtualStage.map { $0.map { deal[$0] } }
            return MemoryEstimate(job: self, placement: placement).stages.map { $0.total - $0.fragmentation }
        }
        var held = bytes(dealt)
        while let most = held.max() {
            guard let full = held.firstIndex(of: most), dealt[full] > 1 else { break }
            // The first receiver, emptiest first, that leaves the maximum smaller.
            var moved = false
            for target in held.indices.sorted(by: { (held[$0], $0) < (held[$1], $1) }) where target != full {
                var trial = dealt
                trial[full] -= 1
                trial[target] += 1
                let then = bytes(trial)
                guard let peak = then.max(), peak < most else { continue }
                (dealt, held, moved) = (trial, then, true)
                break
            }
            if !moved { break }
        }
        return dealt
    }
}

extension StageBalance {
    /// What the layers take on the rank of one virtual stage, and what it has besides.
    struct StageTimes {
        /// [layers]
        var layers: [Double]
        var extra: Double
    }

    /// As `balanced(by:)` for stages of different speed.
    static func balanced(stages: [StageTimes]) throws(ScheduleError) -> [Int] {
        let count = stages.first?.layers.count ?? 0
        guard !stages.isEmpty, count >= stages.count else {
            throw ScheduleError("stage balance: \(count) layers on \(stages.count) virtual stages; every stage needs at least one layer")
        }
        var best = [Double](repeating: .infinity, count: count + 1)
        best[0] = 0
        var cuts: [[Int]] = []
        for (index, stage) in stages.enumerated() {
            var before = [0.0]
            for time in stage.layers { before.append((before.last ?? 0) + time) }
            var next = [Double](repeating: .infinity, count: count + 1)
            var cut = [Int](repeating: 0, count: count + 1)
            for end in stride(from: index + 1, through: count, by: 1) {
                for start in index..<end {
                    let most = max(best[start], before[end] - before[start] + stage.extra)
                    if most < next[end] { (next[end], cut[end]) = (most, start) }
                }
            }
            best = next
            cuts.append(cut)
        }
        var dealt: [Int] = []
        var end = count
        for cut in cuts.reversed() {
            dealt.append(end - cut[end])
            end = cut[end]
        }
        return dealt.reversed()
    }
}
