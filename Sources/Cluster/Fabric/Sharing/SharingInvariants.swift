extension FairSharing {
    /// What is wrong with the present rates, nil when they are the max-min fair ones: no link above its capacity, every flow on a full link where none has a
    /// higher level, and the sums that are kept up to date equal to those counted anew. For tests.
    func violation() -> String? {
        var held = Set<Int>()
        for index in 0..<links.count {
            let link = links[index]
            var load = 0.0
            var weight = 0.0
            var highest = 0.0
            for crossing in crossings.elements(index) {
                let level = level(of: Int(crossing.flow))
                load += crossing.weight * level
                weight += crossing.weight
                highest = max(highest, level)
            }
            let tolerance = 1e-9 * link.capacity
            if load > link.capacity + tolerance { return "link \(index) carries \(load) of \(link.capacity) bytes/s" }
            if promises[index] >= 0 {
                if promises[index] * accounts[index].weight > link.capacity + tolerance {
                    return "link \(index) promises more than it bears"
                }
                for crossing in crossings.elements(index) {
                    let flow = flows[Int(crossing.flow)]
                    let level = level(of: Int(crossing.flow))
                    guard flow.slack > promises[index] || level > promises[index] * (1 + 1e-12) else { continue }
                    return "flow \(flow.owner) at \(level) relies on \(flow.slack), link \(index) promises \(promises[index])"
                }
            } else if abs(load - link.load) > tolerance {
                return "link \(index) carries \(load) bytes/s, noted as \(link.load)"
            }
            if abs(weight - accounts[index].weight) > 1e-9 * weight {
                return "link \(index) has the weight \(weight), noted as \(accounts[index].weight)"
            }
            guard load >= link.capacity - tolerance else { continue }
            for crossing in crossings.elements(index) where level(of: Int(crossing.flow)) >= highest * (1 - 1e-9) {
                held.insert(Int(crossing.flow))
            }
        }
        for index in 0..<links.count {
            for crossing in crossings.elements(index) where !held.contains(Int(crossing.flow)) {
                return "flow \(flows[Int(crossing.flow)].owner) could run faster: no full link of its route has it at the highest level"
            }
        }
        return nil
    }
}
