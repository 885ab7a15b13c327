/// How the switches between the nodes are joined, as far as flows need it; the closed form of a collective knows ports and their rates only.
public struct NetworkForm: Sendable, Hashable {
    /// Planes: port p of every node is on plane p mod rails. 1: all ports of a node on one leaf; nil: a plane for each port.
    public var rails: Int?
    /// Tiers of switches, 1 to 3; nil: as many as the ports need.
    public var levels: Int?
    /// Ports of a switch.
    public var radix = 64
    /// Capacity towards the nodes over capacity upwards: of the leaves, with three levels of the switches above them.
    public var oversubscription = 1.0
    /// How a flow's way up is picked.
    public var routing = Routing.fixed
    /// What joins the nodes where that is no tree of switches; nil: a tree.
    public var between: NodeTopology?
    /// Of a cable of such a network; nil: as wide as all ports of a node together, its latency that of the ports.
    public var cable: LinkProperties?
    public init() {}
}

/// A network whose hosts are the nodes of a cluster: node i is host i.
public enum NodeTopology: Sendable, Hashable {
    /// Routers in the nodes on a grid with wrap-around; the first dimension counts fastest.
    case torus(dims: [Int])
    case dragonfly(DragonflySize)
    /// Whatever a cluster file describes (`FabricFile`): its name and its text.
    case described(file: String, yaml: String)
}

/// Numbers of a dragonfly: node = ((group x chassis + chassis) x routers + router) x hostsPerRouter + host.
public struct DragonflySize: Sendable, Hashable {
    /// Groups of the network.
    public var groups: Int
    /// Of a group.
    public var chassis = 1
    /// Of a chassis.
    public var routers: Int
    /// Nodes of a router.
    public var hostsPerRouter: Int
    /// Cables that are one fat link between two groups, two chassis, two routers.
    public var globalLinks = 1
    public var chassisLinks = 1
    public var routerLinks = 1
    public init(groups: Int, routers: Int, hostsPerRouter: Int) {
        self.groups = groups
        self.routers = routers
        self.hostsPerRouter = hostsPerRouter
    }
}
