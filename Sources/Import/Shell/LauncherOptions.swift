import Scenario

/// How many machines a launch asks for: options of torchrun, deepspeed, srun, mpirun and the batch system, and variables by their usual names.
struct LauncherOptions {
    struct Count {
        var value: Int
        var from: LaunchSetting
    }
    var nodes: Count?
    var perNode: Count?
    var total: Count?

    private static let names: [(name: String, field: WritableKeyPath<LauncherOptions, Count?> & Sendable)] = [
        ("nnodes", \.nodes), ("nodes", \.nodes), ("num_nodes", \.nodes), ("N", \.nodes), ("nproc_per_node", \.perNode),
        ("num_gpus", \.perNode),
        ("gpus_per_node", \.perNode), ("gres", \.perNode), ("ntasks_per_node", \.perNode), ("np", \.total), ("num_processes", \.total),
        ("ntasks", \.total), ("num_machines", \.nodes), ("n", \.total),
    ]

    /// `--name value`, `--name=value`, `-N4`, `-n 4` of a command.
    static func pairs(_ words: [String]) -> [(name: String, value: String)] {
        var result: [(name: String, value: String)] = []
        for (index, word) in words.enumerated() where word.hasPrefix("-") && word.count > 1 {
            let following = index + 1 < words.count && !words[index + 1].hasPrefix("-") ? words[index + 1] : ""
            let body = word.drop { $0 == "-" }
            if let equals = body.firstIndex(of: "=") {
                result.append((String(body[..<equals]), String(body[body.index(after: equals)...])))
            } else if !word.hasPrefix("--"), body.count > 1, let first = body.first, body.dropFirst().allSatisfy(\.isNumber) {
                result.append((String(first), String(body.dropFirst())))
            } else {
                result.append((String(body), following))
            }
        }
        return result
    }

    /// Of several the first counts: the command's come before the batch system's.
    mutating func take(_ words: [String], place: LaunchPlace, isBatch: Bool) {
        for (name, value) in Self.pairs(words) {
            guard let entry = Self.names.first(where: { $0.name == name || $0.name == name.replacing("-", with: "_") }) else { continue }
            // A task a node may be one that starts the others, and the batch system's tasks say how many there are only with one a GPU.
            if name == "ntasks-per-node" || name == "ntasks" || name == "n", Int(value).map({ $0 < 2 }) ?? true { continue }
            // gpu:8, gpu:a100:8; 2:4 nodes of an elastic launch.
            let text =
                name == "gres"
                ? String(value.reversed().prefix { $0.isNumber }.reversed()) : String(value.split(separator: ":").first ?? "")
            guard self[keyPath: entry.field] == nil, let count = Int(text), count > 0 else { continue }
            self[keyPath: entry.field] = Count(
                value: count, from: LaunchSetting(name: name, values: [value], place: place, isOption: true))
        }
    }

    private static let variables: [(name: String, field: WritableKeyPath<LauncherOptions, Count?> & Sendable)] = [
        ("WORLD_SIZE", \.total), ("NUM_GPUS", \.total), ("NGPUS", \.total), ("NNODES", \.nodes), ("NUM_NODES", \.nodes), ("NODES", \.nodes),
        ("DGXNNODES", \.nodes), ("SLURM_NNODES", \.nodes), ("GPUS_PER_NODE", \.perNode), ("NPROC_PER_NODE", \.perNode),
        ("DGXNGPU", \.perNode),
        ("NGPU", \.perNode), ("GPUS_PER_WORKER", \.perNode), ("NUM_WORKERS", \.nodes), ("SLURM_GPUS_PER_NODE", \.perNode),
    ]

    /// Variables of the script by their usual names, for what no option says.
    mutating func take(_ variables: ShellVariables, file: String) {
        for (name, field) in Self.variables where self[keyPath: field] == nil {
            guard let text = variables[name], let count = Int(text), count > 0 else { continue }
            if field == \.total, nodes != nil, perNode != nil { continue }
            let place = LaunchPlace(file: file, line: 1)
            self[keyPath: field] = Count(
                value: count, from: LaunchSetting(name: "$\(name)", values: ["= \(count)"], place: place, isOption: false))
        }
    }

    /// GPUs of the launch and why, where it can be told.
    var gpus: (value: Int, why: String)? {
        func shown(_ count: Count) -> String {
            count.from.name.hasPrefix("$") ? "\(count.from.name) = \(count.value)" : "\(count.from.shown) (\(count.from.place))"
        }
        if let perNode {
            let machines = nodes?.value ?? total.map { max(1, $0.value / perNode.value) } ?? 1
            let (product, overflow) = machines.multipliedReportingOverflow(by: perNode.value)
            if !overflow {
                return (
                    product,
                    [nodes.map(shown) ?? (machines == 1 ? "one node" : total.map(shown) ?? ""), shown(perNode)].joined(separator: ", ")
                )
            }
        }
        if let total { return (total.value, shown(total)) }
        return nil
    }
}
