#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>

#include "dally/core/error.hpp"
#include "dally/core/key.hpp"
#include "dally/core/text.hpp"
#include "dally/graph/node.hpp"
#include "dally/schedulers/frames.hpp"
#include "dally/schedulers/local_values.hpp"
#include "dally/serialize/archive.hpp"
#include "dally/serialize/codec.hpp"
#include "dally/serialize/codec_failure.hpp"

/// A recorded call as bytes, for workers that were forked before it was recorded: addresses of what is constant in the
/// program, and copies of the rest.
namespace dally::detail {

/// What a task's frame begins with there. Then follow the task's name, the types of its inputs, and the payload.
struct call_head {
  node_type const* type;
  std::source_location place;
  token content;
  std::uint32_t inputs;
  std::uint32_t name_length;
};
static_assert(std::is_trivially_copyable_v<call_head>);

/// The call that a node stands for: itself, or the one that it records again to wait for more.
inline node const& call_of(node const& task) noexcept {
  node const* call = &task;
  while (call->type().call == &again_call_wire) call = static_cast<node_ref const*>(call->payload())->get();
  return *call;
}

/// Appends the call of `task` but for its inputs.
///
/// Errors  codec_failure, std::bad_alloc
template <class Queue>
void append_call(Queue& to, node const& task, node const& call) {
  std::string_view const name =
      task.extras() != nullptr ? std::string_view{task.extras()->options.name} : std::string_view{};
  call_head const head{&call.type(), call.place(), task.content(),
                       static_cast<std::uint32_t>(call.dependencies().size()), static_cast<std::uint32_t>(name.size())};
  to.add(&head, sizeof head);
  to.add(name.data(), name.size());
  for (dependency const d : call.dependencies()) {
    // Tables are aligned: a bit is free.
    std::uintptr_t const type = reinterpret_cast<std::uintptr_t>(&d.from()->type()) | (d.by_view() ? 1U : 0U);
    to.add(&type, sizeof type);
  }
  wire_type const& wire = *call.type().call;
  if (wire.encode == nullptr) {
    to.add(call.payload(), call.type().payload_size);
  } else {
    try {
      detail::append_archive(to, 128, [&](archive_writer& out) { wire.encode(out, call.payload()); });
    } catch (...) {
      codec_failure::rethrow_as(codec_failure::act::writing, {});
    }
  }
}

/// A call that append_call() has written, made ready to be invoked.
class received_call {
 public:
  /// Reads it, and tells `taken` of the inputs that follow. Errors: unreadable_input, std::bad_alloc.
  received_call(archive_reader& in, local_inputs& taken) {
    in.read_bytes(&head_, sizeof head_);
    auto const* const name = reinterpret_cast<char const*>(in.view(head_.name_length));
    name_ = {name, head_.name_length};
    for (std::uint32_t i = 0; i < head_.inputs; ++i) {
      std::uintptr_t type = 0;
      in.read_bytes(&type, sizeof type);
      taken.add(*reinterpret_cast<node_type const*>(type & ~std::uintptr_t{1}), (type & 1) != 0);
    }
    node_type const& type = *head_.type;
    alignment_ = std::max<std::size_t>(type.payload_alignment, 8);
    memory_ =
        static_cast<std::byte*>(::operator new(node::bytes_laid_out(type, head_.inputs), std::align_val_t{alignment_}));
    call_ = node::lay_out(memory_, type, head_.place, head_.inputs);
    try {
      void* const payload = const_cast<void*>(call_->payload());
      if (type.call->decode == nullptr) {
        in.read_bytes(payload, type.payload_size);
      } else {
        type.call->decode(in, payload);
      }
    } catch (codec_failure const& e) {
      ::operator delete(memory_, std::align_val_t{alignment_});
      throw unreadable_input{the_call, e};
    } catch (...) {
      ::operator delete(memory_, std::align_val_t{alignment_});
      throw;
    }
  }
  received_call(received_call const&) = delete;
  received_call& operator=(received_call const&) = delete;
  ~received_call() {
    if (head_.type->destroy != nullptr) head_.type->destroy(const_cast<void*>(call_->payload()));
    ::operator delete(memory_, std::align_val_t{alignment_});
  }

  [[nodiscard]] node const& call() const noexcept { return *call_; }
  [[nodiscard]] std::string label() const { return name_.empty() ? call_->label() : std::string{name_}; }
  [[nodiscard]] dally::key key() const { return {label(), head_.content.high, head_.content.low}; }

 private:
  call_head head_;
  std::string_view name_;  // in the frame
  std::size_t alignment_;
  std::byte* memory_;
  node* call_;
};

}  // namespace dally::detail
