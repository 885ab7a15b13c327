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
    public init() {}
}
