import Cluster

/// The machines of a run, counted in the units that can fail.
public struct Fleet: Sendable, Hashable {
    public var nodes: Int
    public var gpusPerNode: Int
    public var nicsPerNode: Int
    public var nodesPerLeaf: Int
    public var nodesPerRack: Int
    /// GPUs joined by one scale-up network (NVLink domain).
    public var gpusPerDomain: Int
    /// Storage servers whose loss stops the run.
    public var storageUnits: Int

    public init(
        nodes: Int, gpusPerNode: Int = 8, nicsPerNode: Int? = nil, nodesPerLeaf: Int = 32, nodesPerRack: Int = 4,
        gpusPerDomain: Int? = nil
    ) {
        self.nodes = nodes
        self.gpusPerNode = gpusPerNode
        self.nicsPerNode = nicsPerNode ?? gpusPerNode
        self.nodesPerLeaf = nodesPerLeaf
        self.nodesPerRack = nodesPerRack
        self.gpusPerDomain = gpusPerDomain ?? gpusPerNode
        storageUnits = 1
    }

    /// Leaf switches over the same nodes: one for each plane.
    public var leavesPerGroup = 1

    public var gpus: Int { nodes * gpusPerNode }

    public func count(of unit: FailingUnit) -> Int {
        switch unit {
        case .gpu: gpus
        case .nic: nodes * nicsPerNode
        case .node: nodes
        case .leaf: ceilingDivide(nodes, nodesPerLeaf) * leavesPerGroup
        case .rack: ceilingDivide(nodes, nodesPerRack)
        case .domain: ceilingDivide(gpus, gpusPerDomain)
        case .storage: storageUnits
        case .job: 1
        }
    }

    /// Nodes that are taken away by a failure that strikes `blast`.
    public func nodes(struckBy blast: Blast) -> Int {
        let struck =
            switch blast {
            case .gpu, .node: 1
            case .leaf: nodesPerLeaf
            case .rack: nodesPerRack
            case .domain: ceilingDivide(gpusPerDomain, max(1, gpusPerNode))
            case .nodes(let count): count
            case .job: 0
            }
        return min(struck, nodes)
    }

    /// Leaf switches as a tree of them has: of the radix's ports r/(1+r) go down with an oversubscription r, in each plane.
    mutating func take(_ between: InterNode) {
        guard between.form.between == nil else { return }
        let ports = max(1, min(between.nicsPerNode, gpusPerNode))
        let rails = max(1, min(ports, between.form.rails ?? ports))
        let (radix, ratio) = (Double(max(2, between.form.radix)), max(1, between.form.oversubscription))
        let down = max(1, Int((radix * ratio / (1 + ratio)).rounded()))
        nodesPerLeaf = max(1, down / max(1, ports / rails))
        leavesPerGroup = rails
    }

    private func ceilingDivide(_ a: Int, _ b: Int) -> Int { (a + max(1, b) - 1) / max(1, b) }
}

/// What a rate of failures counts for.
public enum FailingUnit: String, Sendable, Hashable, Codable, CaseIterable {
    case gpu, nic, node, leaf, rack, domain, storage, job
}

/// What a failure takes with it. `job` stops the processes and breaks no machine.
public enum Blast: Sendable, Hashable {
    case gpu, node, leaf, rack, domain, job
    case nodes(Int)
}
