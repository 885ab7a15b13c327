/// The arithmetic of a feed-forward block of which a gate activates a share: what is claimed for it and what it really does.
public struct GatedBlock: Sendable {
    /// Features of a token, and units of the block.
    public var width: Int
    public var hidden: Int
    /// Units that are switched together; 1 gates every unit on its own.
    public var group: Int
    /// Rank of the gate's factored scorer; nil for a full one from `width` to the groups.
    public var gateRank: Int?

    public init(width: Int, hidden: Int, group: Int = 1, gateRank: Int? = nil) {
        self.width = width
        self.hidden = hidden
        self.group = group
        self.gateRank = gateRank
    }

    /// FLOPs a token of the dense block: two products of width x hidden.
    public var denseFLOPs: Double { 4 * Double(width) * Double(hidden) }

    /// FLOPs a token with `activation` of the groups switched on, scoring the gate included.
    public func flops(activation: Double) -> Double {
        let groups = (Double(hidden) / Double(max(1, group))).rounded(.up)
        let scoring = gateRank.map { 2 * Double($0) * (Double(width) + groups) } ?? 2 * Double(width) * groups
        return activation * denseFLOPs + scoring + groups
    }
}
