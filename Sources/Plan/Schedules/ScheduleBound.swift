extension ScheduleSearch {
    /// A period that no schedule within the memory limit can go below, the largest of three bounds over all ranks r:
    /// its own work and the wait for its first B that the forwards within its memory cannot fill; and, for each rank q, the way of the first F
    /// from r to q, all F and B of q with the W that its memory forces before its last B, the way of a B back to r, and one W;
    /// and memory x time: a micro-batch holds its activations at least from its F to its B, and what W frees for a W longer.
    func lowerBound(microBatches: Int) -> Double {
        let m = Double(microBatches)
        let stages = table.reduce(0) { $0 + $1.count }
        var home = [Int](repeating: 0, count: stages)
        for r in table.indices { for s in table[r] { home[s] = r } }
        func hop(_ a: Int, _ b: Int) -> Double { home[a] == home[b] ? 0 : costs.communication }
        // Sums over the stages above s: `down` of F (start of stage 0 to start of s), `up` of B (last B of s to the end), and `coming` of the B of
        // stages 1...s, so that turn - down - coming is the time from the first F of a stage to its first B.
        var down = [0.0]
        var up = [0.0]
        var coming = [0.0]
        for s in 1..<max(1, stages) {
            down.append(down[s - 1] + costs.forward[s - 1] + hop(s - 1, s))
            up.append(up[s - 1] + costs.backward[s - 1] + hop(s - 1, s))
            coming.append(coming[s - 1] + costs.backward[s] + hop(s - 1, s))
        }
        let turn = down[stages - 1] + costs.forward[stages - 1] + coming[stages - 1]
        var bound = 0.0
        for r in table.indices {
            guard let first = table[r].min(), let last = table[r].max() else { continue }
            let forward = table[r].reduce(0.0) { $0 + costs.forward[$1] }
            let work = table[r].reduce(forward) { $0 + costs.backward[$1] + costs.weight[$1] } * m
            let wait = turn - down[first] - coming[last]
            let densest = table[r].map { costs.memory[$0] > 0 ? costs.forward[$0] / costs.memory[$0] : .infinity }.max() ?? .infinity
            bound = max(bound, work + max(0, wait - min(m * forward, densest * limit[r])))
            let heldFor = table[r].reduce(0.0) { sum, s in
                let turned = turn - down[s] - coming[s] + costs.backward[s]
                return sum + costs.memory[s] * (turned + (1 - costs.backwardFrees) * costs.weight[s])
            }
            if limit[r] > 0 { bound = max(bound, m * heldFor / limit[r]) }
            for q in table.indices {
                guard let entry = table[q].min(), entry >= first else { continue }
                let busy = table[q].reduce(0.0) { $0 + costs.forward[$1] + costs.backward[$1] } * m
                bound = max(
                    bound,
                    down[entry] - down[first] + busy + forcedWeights(rank: q, microBatches: microBatches) + up[entry] - up[first]
                        + costs.weight[first])
            }
        }
        return bound
    }

    /// Seconds of W that rank `q` must do before its last B, or it could not have held the activations; one chunk only, else 0.
    private func forcedWeights(rank q: Int, microBatches: Int) -> Double {
        guard table[q].count == 1 else { return 0 }
        let stage = table[q][0]
        // At the last F, m - 1 others are done; at best all of them had their B, and each still owes what W frees.
        let owed = costs.memory[stage] * (1 - costs.backwardFrees)
        guard owed > 0 else { return 0 }
        let room = ((limit[q] - costs.memory[stage]) / owed + 1e-9).rounded(.down)
        return max(0, Double(microBatches - 1) - room) * costs.weight[stage]
    }
}
