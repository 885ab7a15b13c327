extension ClusterSpec {
    /// Why the network's oversubscription cannot matter: no pair of nodes is joined over the links that it thins out. Nil where it can.
    public var idleOversubscription: String? {
        guard let between = interNode, between.form.oversubscription > 1, between.form.between == nil,
            let shape = try? NodesShape(self, between: between)
        else { return nil }
        // Of a leaf's ports fewer than all lead down, so one with as many as there are nodes has no room for them.
        if shape.leaves <= 1 { return "all \(nodes) nodes stand under one leaf switch; topology.radix: \(nodes) would part them" }
        guard shape.leavesPerPod > 0, shape.leaves <= shape.leavesPerPod else { return nil }
        return "all \(nodes) nodes stand in one pod, and with three levels the links above the pods are the thin ones"
    }
}
