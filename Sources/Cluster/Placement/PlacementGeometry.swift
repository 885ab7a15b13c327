/// How groups of equally spaced ranks fall onto domains.
extension Placement {
    /// Distance between neighbours of a group and its size. Dense groups and expert groups are two ways to cut the same stage.
    static func lattice(_ kind: ParallelKind, _ d: ParallelDegrees) -> (stride: Int, count: Int) {
        switch kind {
        case .tensor: (1, d.tensor)
        case .context: (d.tensor, d.context)
        case .data: (d.tensor * d.context, d.data)
        case .dataContext: (d.tensor, d.context * d.data)
        case .expertTensor: (1, d.expertTensor)
        case .expert: (d.expertTensor, d.expert)
        case .expertData: (d.expertTensor * d.expert, d.expertData)
        case .pipeline: (d.stage, d.pipeline)
        }
    }

    static func check(_ d: ParallelDegrees, gpus: Int) throws(PlacementError) -> Int {
        let named = [
            ("tensor", d.tensor), ("context", d.context), ("expert", d.expert), ("expert_tensor", d.expertTensor), ("data", d.data),
            ("pipeline", d.pipeline),
        ]
        for (name, degree) in named where degree < 1 { throw PlacementError("\(name) = \(degree): a degree must be at least 1") }
        var world = 1
        for degree in [d.tensor, d.context, d.data, d.pipeline] {
            let (product, overflow) = world.multipliedReportingOverflow(by: degree)
            guard !overflow, product <= gpus else {
                throw PlacementError(
                    "tensor \(d.tensor) x context \(d.context) x data \(d.data) x pipeline \(d.pipeline) needs more than the cluster's \(gpus) GPUs"
                )
            }
            world = product
        }
        let (experts, overflow) = d.expert.multipliedReportingOverflow(by: d.expertTensor)
        guard !overflow, d.stage % experts == 0 else {
            throw PlacementError(
                "expert \(d.expert) x expert_tensor \(d.expertTensor) does not divide the \(d.stage) ranks of a stage (tensor x context x data)"
            )
        }
        return world
    }

    static func check(_ list: [Int], world: Int, gpus: Int) throws(PlacementError) {
        guard list.count == world else { throw PlacementError("a list of \(list.count) GPUs for \(world) ranks: one GPU a rank is needed") }
        var taken = [Bool](repeating: false, count: gpus)
        for (rank, gpu) in list.enumerated() {
            guard taken.indices.contains(gpu) else {
                throw PlacementError("rank \(rank) is on GPU \(gpu), but the cluster has 0...\(gpus - 1)")
            }
            guard !taken[gpu] else { throw PlacementError("GPU \(gpu) has two ranks, the second is rank \(rank)") }
            taken[gpu] = true
        }
    }

    /// Round robin over the domains: rank r goes to domain r mod D, as long as that domain has a free GPU; a last, smaller domain fills up first.
    static func spreadSlot(_ rank: Int, world: Int, domain: Int, domains: Int) -> Int {
        let last = world - (domains - 1) * domain
        let full = last * domains
        if rank < full { return rank % domains * domain + rank / domains }
        let rest = rank - full
        return rest % (domains - 1) * domain + last + rest / (domains - 1)
    }

    /// [ranks] -> domain
    static func homes(_ order: Order, world: Int, domain: Int, domains: Int) -> [Int] {
        switch order {
        case .packed: (0..<world).map { $0 / domain }
        case .spread: (0..<world).map { spreadSlot($0, world: world, domain: domain, domains: domains) / domain }
        case .explicit(let list): list.map { $0 / domain }
        }
    }

    /// The shape of the groups that have `count` ranks `stride` apart. `home` is nil for packed ranks.
    static func shape(stride s: Int, count n: Int, world: Int, domain d: Int, home: [Int]?) -> GroupShape {
        let block = s * n
        if home == nil, world % d == 0 || world < d {
            let d = min(d, world)
            // Whole groups inside a domain; each of a group's ranks in a domain of its own; whole domains inside a block.
            if d % block == 0 { return GroupShape(ranks: n, perDomain: n, concurrent: d / block * s) }
            if s % d == 0 { return GroupShape(ranks: n, perDomain: 1, concurrent: d) }
            if d % s == 0, block % d == 0 { return GroupShape(ranks: n, perDomain: d / s, concurrent: s) }
        }
        return counted(stride: s, count: n, world: world, home: home ?? (0..<world).map { $0 / d })
    }

    /// By visiting every rank: the group over most domains gives `perDomain`; `concurrent` is the most groups that leave one domain, or, where
    /// none leaves, the most that one domain holds.
    private static func counted(stride s: Int, count n: Int, world: Int, home: [Int]) -> GroupShape {
        let domains = (home.max() ?? 0) + 1
        var crossing = [Int](repeating: 0, count: domains)
        var holding = crossing
        var seen = [Int](repeating: -1, count: domains)
        var visited: [Int] = []
        var most = 1
        for group in 0..<(world / n) {
            let first = group / s * (s * n) + group % s
            visited.removeAll(keepingCapacity: true)
            for i in 0..<n where seen[home[first + i * s]] != group {
                seen[home[first + i * s]] = group
                visited.append(home[first + i * s])
            }
            most = max(most, visited.count)
            for place in visited {
                holding[place] += 1
                if visited.count > 1 { crossing[place] += 1 }
            }
        }
        let concurrent = (most > 1 ? crossing : holding).max() ?? 1
        return GroupShape(ranks: n, perDomain: (n + most - 1) / most, concurrent: max(1, concurrent))
    }

    /// Sends to the next stage: the share that leaves the domain, and the most GPUs of one domain whose sends do.
    static func crossing(_ degrees: ParallelDegrees, domain d: Int, home: [Int]?) -> (share: Double, senders: Int) {
        let stage = degrees.stage
        guard degrees.pipeline > 1 else { return (0, 0) }
        let pairs = stage * (degrees.pipeline - 1)
        if home == nil, stage % d == 0 { return (1, d) }
        var leaving = [Int](repeating: 0, count: (home?.max() ?? (degrees.ranks - 1) / d) + 1)
        var total = 0
        for rank in 0..<pairs {
            let here = home?[rank] ?? rank / d
            guard here != home?[rank + stage] ?? (rank + stage) / d else { continue }
            leaving[here] += 1
            total += 1
        }
        return (Double(total) / Double(pairs), leaving.max() ?? 0)
    }
}
