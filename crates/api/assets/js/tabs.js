// Tells the other tabs of this browser that todos have changed.

const channel = 'BroadcastChannel' in window ? new BroadcastChannel('taskoverflow') : null;

export const tellOtherTabs = () => channel?.postMessage('changed');

/** @param {() => void} heard */
export const onOtherTab = (heard) => channel?.addEventListener('message', heard);
